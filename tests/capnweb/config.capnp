# The worker of these cases on stock workerd, its bundle beside this file.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "capnweb", worker = (
    modules = [(name = "index.js", esModule = embed "bundled/index.js")],
    compatibilityDate = "2026-08-01",
    bindings = [(name = "NATIVE", service = (name = "capnweb", entrypoint = "Native"))],
    globalOutbound = (name = "capnweb", entrypoint = "Server"),
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "capnweb")],
);
