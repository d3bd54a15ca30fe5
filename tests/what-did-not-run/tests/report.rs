//! The end of a run of all tests: what did not run, and what it wants.

fn main() -> std::io::Result<()> {
    let missing = what_did_not_run::take()?;
    if missing.is_empty() {
        println!("\nevery test ran\n");
        return Ok(());
    }
    println!("\n{} tests did NOT run:", missing.len());
    for line in &missing {
        println!("  {line}");
    }
    println!("install the packages to run them; with {}=1 they fail instead\n", what_did_not_run::REQUIRE);
    Ok(())
}
