//! What a `wrangler` file says of what the tenant keeps, and of what runs the worker without a
//! request: namespaces, queues, crons.
//!
//! Names and numbers go to the server as they stand; it says what is wrong with them.

use serde_json::{Map, Value as Json, json};

use super::document::{Node, Value};
use super::wrangler::Reader;

impl Reader<'_> {
    /// The bindings to namespaces, queues, other workers and loaders of such.
    pub(super) fn resources(&mut self, root: &Node) -> Vec<Json> {
        let mut bindings = Vec::new();
        for item in self.items(root, "kv_namespaces", "kv_namespaces") {
            let (name, id) = (self.needed(item, "binding"), self.needed(item, "id"));
            bindings.push(json!({"type": "kv_namespace", "name": name, "namespace_id": id}));
        }
        for item in self.in_queues(root, "producers") {
            let (name, queue) = (self.needed(item, "binding"), self.needed(item, "queue"));
            let mut binding = json!({"type": "queue", "name": name, "queue_name": queue});
            if let Some(delay) = item.get("delivery_delay") {
                binding["delivery_delay"] = delay.node.to_json();
            }
            bindings.push(binding);
        }
        for item in self.items(root, "services", "services") {
            let (name, service) = (self.needed(item, "binding"), self.needed(item, "service"));
            let mut binding = json!({"type": "service", "name": name, "service": service});
            for key in ["entrypoint", "props"] {
                if let Some(value) = item.get(key) {
                    binding[key] = value.node.to_json();
                }
            }
            bindings.push(binding);
        }
        for item in self.items(root, "worker_loaders", "worker_loaders") {
            let name = self.needed(item, "binding");
            bindings.push(json!({"type": "worker_loader", "name": name}));
        }
        bindings
    }

    /// The fields of the metadata that say what runs the worker without a request.
    pub(super) fn triggers(&mut self, root: &Node) -> Map<String, Json> {
        let mut fields = Map::new();
        let consumers = self.in_queues(root, "consumers");
        let consumers: Vec<Json> = consumers.into_iter().map(|item| self.consumer(item)).collect();
        if !consumers.is_empty() {
            fields.insert("queue_consumers".into(), consumers.into());
        }
        self.table(root, "triggers");
        let crons = root.get("triggers").and_then(|entry| entry.node.get("crons"));
        if let Some(crons) = crons.filter(|crons| !crons.node.is_empty()) {
            fields.insert("crons".into(), crons.node.to_json());
        }
        fields
    }

    fn consumer(&mut self, item: &Node) -> Json {
        self.needed(item, "queue");
        if let Some(entry) = item.get("type")
            && !matches!(&entry.node.value, Value::Text(kind) if kind == "worker")
        {
            let why = "only a consumer of type \"worker\" is declared: any queue can be pulled from \
                       over the admin API";
            self.problem(entry.at, why);
        }
        let entries = item.entries().iter().filter(|entry| entry.key != "type");
        entries.map(|entry| (entry.key.clone(), entry.node.to_json())).collect::<Map<_, _>>().into()
    }

    fn in_queues<'n>(&mut self, root: &'n Node, key: &str) -> Vec<&'n Node> {
        self.table(root, "queues");
        match root.get("queues") {
            Some(queues) => self.items(&queues.node, key, &format!("queues.{key}")),
            None => Vec::new(),
        }
    }

    /// The tables of a list, whose keys are those that are known of `table`.
    fn items<'n>(&mut self, node: &'n Node, key: &str, table: &str) -> Vec<&'n Node> {
        let Some(entry) = node.get(key).filter(|entry| !entry.node.is_empty()) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            self.problem(entry.at, format!("`{table}` must be an array"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            if matches!(item.value, Value::Table(_)) {
                self.check_inner(table, item);
                tables.push(item);
            } else {
                self.problem(item.at, format!("`{table}` must hold objects"));
            }
        }
        tables
    }

    /// A string that must be there.
    fn needed(&mut self, item: &Node, key: &str) -> Option<String> {
        if item.get(key).is_none() {
            self.problem(item.at, format!("`{key}` is missing"));
        }
        self.text(item, key)
    }
}
