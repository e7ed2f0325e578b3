//! Makes the start-up snapshot: the build script links the engine and runs our scripts once.
//!
//! It happens here and never in the server, because a process may know only one snapshot.

use std::path::PathBuf;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let options = CreateSnapshotOptions {
        cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
        startup_snapshot: None,
        skip_op_registration: false,
        extensions: bindery_js_api::for_snapshot(),
        extension_transpiler: None,
        with_runtime_cb: None,
    };
    let made = create_snapshot(options, None).expect("the scripts of js-api run");
    for file in &made.files_loaded_during_snapshot {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("snapshot.bin"), &made.output).expect("the output folder is writable");
}
