//! Capabilities as rows keep them: what they are made of, so that they can be made again.

use std::collections::HashMap;
use std::sync::Arc;

use bindery_wire::given::{self, Held};
use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use super::{Capability, Props, Service, Target, Value, What};

/// Contents by their hash.
pub type Contents = HashMap<ContentHash, Bytes>;

impl Capability {
    /// What it is made of. `None` if it ends with those who hold it.
    pub fn kept(&self, contents: &mut Contents) -> Option<Held> {
        Some(match &self.what {
            What::Binding { binding, rights } => Held::Binding((**binding).clone(), *rights),
            What::Service(service) => Held::Service(service.kept(contents)?),
            What::Export(_) => return None,
        })
    }

    fn made(tenant: TenantId, held: &Held, contents: &Contents) -> Option<Self> {
        let what = match held {
            Held::Binding(binding, rights) => {
                What::Binding { binding: Arc::new(binding.clone()), rights: *rights }
            }
            Held::Service(service) => {
                What::Service(Arc::new(Service::made(tenant, service, contents)?))
            }
        };
        Some(Self { tenant, what })
    }
}

impl Service {
    /// What it is made of. `None` if it ends with those who hold it.
    pub fn kept(&self, contents: &mut Contents) -> Option<given::Service> {
        let Target::Named(worker) = &self.target else { return None };
        let props = match &self.props {
            Props::None => None,
            Props::Json(json) => Some(given::Props::Json(json.to_string())),
            Props::Value(value) => Some(given::Props::Value(value.kept(contents)?)),
        };
        Some(given::Service {
            worker: worker.to_string(),
            entrypoint: self.entrypoint.as_deref().map(Into::into),
            props,
            limits: self.limits.clone(),
        })
    }

    /// The one that was kept. `None` if a content is missing.
    pub fn made(tenant: TenantId, kept: &given::Service, contents: &Contents) -> Option<Self> {
        let props = match &kept.props {
            None => Props::None,
            Some(given::Props::Json(json)) => Props::Json(json.as_str().into()),
            Some(given::Props::Value(value)) => {
                Props::Value(Arc::new(Value::made(tenant, value, contents)?))
            }
        };
        Some(Self {
            target: Target::Named(kept.worker.as_str().into()),
            entrypoint: kept.entrypoint.as_deref().map(Into::into),
            props,
            limits: kept.limits.clone(),
        })
    }
}

impl Value {
    /// What it is made of. `None` if something in it ends with those who hold it.
    pub fn kept(&self, contents: &mut Contents) -> Option<given::Value> {
        let held = self.capabilities.iter().map(|held| held.kept(contents));
        let held = held.collect::<Option<_>>()?;
        let hash = ContentHash::of(&self.bytes);
        contents.insert(hash, self.bytes.clone());
        Some(given::Value { format: self.format, hash, held })
    }

    /// The one that was kept. `None` if a content is missing.
    pub fn made(tenant: TenantId, kept: &given::Value, contents: &Contents) -> Option<Self> {
        let held = kept.held.iter().map(|held| Capability::made(tenant, held, contents));
        let held = held.collect::<Option<_>>()?;
        Self::new(kept.format, contents.get(&kept.hash)?.clone(), held).ok()
    }
}

#[cfg(test)]
mod tests {
    use bindery_wire::limits::Lower;
    use bindery_wire::manifest::Binding;
    use bindery_wire::value::Rights;

    use super::*;

    #[test]
    fn what_is_kept_is_made_again_with_the_rights_that_it_had() {
        let tenant = TenantId(3);
        let queue = Binding::Queue { queue: "jobs".into(), delivery_delay: None };
        let what = What::Binding { binding: Arc::new(queue.clone()), rights: Rights::Send };
        let props = Value::new(1, Bytes::from_static(b"p"), vec![Capability { tenant, what }]);
        let service = Service {
            target: Target::Named("main".into()),
            entrypoint: Some("Out".into()),
            props: Props::Value(Arc::new(props.expect("shallow"))),
            limits: Lower::NONE,
        };
        let what = What::Service(Arc::new(service));
        let value = Value::new(1, Bytes::from_static(b"v"), vec![Capability { tenant, what }]);
        let mut contents = Contents::new();
        let kept = value.expect("shallow").kept(&mut contents).expect("can be kept");
        assert_eq!(contents.len(), 2);
        let made = Value::made(tenant, &kept, &contents).expect("made");
        assert_eq!(made.kept(&mut Contents::new()), Some(kept.clone()));
        let What::Service(service) = &made.capabilities[0].what else { panic!("a service") };
        let Props::Value(props) = &service.props else { panic!("a value") };
        let What::Binding { binding, rights } = &props.capabilities[0].what else {
            panic!("a binding")
        };
        assert_eq!((&**binding, *rights), (&queue, Rights::Send));
        contents.remove(&ContentHash::of(b"p"));
        assert!(Value::made(tenant, &kept, &contents).is_none());
    }
}
