//! For `build`, and for a new version: prints the contract without its documentation, or what a kept component sees and
//! answers.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people who work on Gingham")]

use gingham_frozen::{components, contract, scenario};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["contract"] => print!("{}", contract::text(&contract::current())),
        ["run", name] => print!("{}", scenario::run(name, &components::read(name)).text),
        _ => println!("usage: gingham-frozen contract | run NAME"),
    }
}
