//! What the program says of the machine that it runs on.

use serde_json::Value;

use super::program::Program;

#[test]
fn doctor_tells_of_each_part_whether_the_server_starts_with_it() {
    let ran = Program::new().run(&["doctor", "--data", "data", "--json"]);
    let checks: Vec<Value> = serde_json::from_str(&ran.stdout).expect("JSON");
    let state = |name: &str| {
        let is_it = |check: &&Value| check["name"].as_str().is_some_and(|n| n.contains(name));
        let found = checks.iter().find(is_it);
        found.unwrap_or_else(|| panic!("{name}: {ran:?}"))["state"].clone()
    };
    // The tests' own servers start here, so nothing that is required fails.
    for part in ["seccomp", "no-new-privileges"] {
        assert_eq!(state(part), "ok", "{ran:?}");
    }
    assert!(checks.iter().all(|check| check["state"] != "fail"), "{ran:?}");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_bench_of_cold_starts_prints_percentiles_with_their_conditions() {
    let ran = Program::new().run(&["bench", "cold-start", "--tenants", "3", "--json"]);
    let report: Value = serde_json::from_str(&ran.ok()).expect("JSON");
    assert_eq!(report["conditions"]["tenants"], 3);
    let results = report["results"].as_array().expect("runs");
    assert_eq!(results.len(), 3, "{report}");
    for result in results {
        let [p50, max] = ["p50_ms", "max_ms"].map(|key| result[key].as_f64().expect("a figure"));
        assert!(result["count"] == 3 && p50 > 0.0 && p50 <= max, "{result}");
    }
}
