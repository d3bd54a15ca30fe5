//! Prints which tests were skipped since it was run last.

fn main() -> std::io::Result<()> {
    let skipped = skipped_tests::take()?;
    print!("{}", skipped_tests::report(&skipped));
    if !skipped.is_empty() {
        println!("Install the packages to run them. With {}=1 they fail instead.", skipped_tests::REQUIRE);
    }
    Ok(())
}
