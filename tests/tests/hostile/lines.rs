//! Tools show the files and lines of a fault; nodes show the functions, and the tool.

use gingham_engine::attachment::Context;
use gingham_engine::compile::Compiler;
use gingham_engine::ipam;
use gingham_engine::runtime::Policy;
use gingham_engine::settings::Settings;
use gingham_tests::guests::component_with_lines;
use serde_json::Map;

fn fault(policy: &Policy) -> String {
    let settings = Settings::parse(&Map::new()).unwrap();
    let prepared = ipam::prepare(policy, &settings, &Context::default(), &mut Vec::new());
    prepared.map(|_| ()).expect_err("it loops").to_string()
}

#[test]
fn a_fault_is_shown_with_lines_where_tools_compiled() {
    let component = component_with_lines("loops_in_check_config");
    let of_tool = fault(&Compiler::with_lines().unwrap().load("loops", &component).unwrap());
    let of_node = fault(&Compiler::new().unwrap().load("loops", &component).unwrap());
    let begins = "policy loops: check-config: it used more than 100000000 fuel (ipam.limits.fuel) and was stopped, in ";
    assert!(of_tool.starts_with(begins) && of_node.starts_with(begins), "{of_tool}\n{of_node}");
    assert!(of_tool.contains("guests/loops_in_check_config.rs:") && !of_tool.contains("reproduce"), "{of_tool}");
    assert!(
        !of_node.contains(".rs:") && of_node.ends_with("; reproduce it with `ginghamctl policy call`"),
        "{of_node}"
    );
}
