//! How long the default fuel lasts at most: loops that do one thing which costs much time for its fuel, until they are
//! stopped. Seconds, and nanoseconds for a unit.
//!
//!     cargo run --example fuel_bench --features compiler [NAME…]
//!
//! The time is that of the machine code, which no profile of cargo changes, and of the machine's memory.

use std::error::Error;
use std::time::{Duration, Instant};

use gingham_engine::attachment::Context;
use gingham_engine::compile::Compiler;
use gingham_engine::runtime::{CallError, Limits, PolicyFault, Runtime, Session};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How often each is measured: the longest counts.
const TIMES: usize = 3;

/// Repetitions inside one turn of a loop, so that the loop itself costs next to nothing.
const UNROLLED: usize = 4096;

/// Pages of 64 KiB: as much as a policy gets by default, and more than a processor's caches have.
const PAGES: usize = 1000;
const BYTES: usize = PAGES << 16;

/// One piece of work: the globals it needs, and what is done once before, in a turn, and how often.
struct Work {
    name: &'static str,
    before: String,
    turn: String,
}

fn main() -> Outcome<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let compiler = Compiler::new()?;
    println!("{:>44} {:>8} {:>8}", "", "seconds", "ns/unit");
    for work in work().into_iter().filter(|work| named.is_empty() || named.iter().any(|name| name == work.name)) {
        let times = |starts| (0..TIMES).map(|_| time(&compiler, &work, starts)).collect::<Result<Vec<_>, _>>();
        let idle = times(false)?.into_iter().min().unwrap_or_default();
        let longest = times(true)?.into_iter().max().unwrap_or_default().saturating_sub(idle);
        let for_a_unit = longest.as_nanos() / u128::from(Limits::default().fuel);
        println!("{:>44} {:>8.2} {for_a_unit:>8}", work.name, longest.as_secs_f64());
    }
    Ok(())
}

/// How long a component takes to start.
fn time(compiler: &Compiler, work: &Work, starts: bool) -> Outcome<Duration> {
    let machine_code = compiler.machine_code(&wat::parse_str(component(work, starts))?)?;
    // SAFETY: it was made in the line above.
    let policy = unsafe { Runtime::new()?.load_bytes(work.name, &machine_code)? };
    let started = Instant::now();
    let ended = Session::new(&policy, Limits::default(), &Context::default()).map(drop);
    let time = started.elapsed();
    match ended {
        Err(CallError::Policy(failed)) if starts && matches!(failed.fault, PolicyFault::OutOfFuel { .. }) => Ok(time),
        Ok(()) if !starts => Ok(time),
        other => Err(format!("{}: {other:?}", work.name).into()),
    }
}

fn component(work: &Work, starts: bool) -> String {
    let Work { before, turn, .. } = work;
    let start = if starts { "(start $spin)" } else { "" };
    format!(
        r#"(component
            (core module $m
                (memory {PAGES})
                (table 64 funcref)
                (elem (i32.const 0) func {functions})
                (type $none (func))
                (func $empty)
                (func $spin (local $a i32) (local $b i32) (local $x i64) (local $f f64) (local $v v128)
                    {before}
                    (loop $again {turn} (br $again)))
                {start}
                (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $allocator (export "check-config" (func $f)) (export "allocate" (func $f)))
            (export "gingham:ipam/allocator@0.2.0" (instance $allocator)))"#,
        functions = "$empty ".repeat(64),
    )
}

fn of(name: &'static str, before: &str, turn: String) -> Work {
    Work { name, before: before.to_owned(), turn }
}

/// Steps on the value of a local, each on what the last one made of it.
fn chained(local: &str, step: &str) -> String {
    format!("(local.get {local}){}(local.set {local})", step.repeat(UNROLLED))
}

/// Steps that get a number of their own: a multiple of the stride, within the memory.
fn spread(stride: usize, step: impl Fn(usize) -> String) -> String {
    (0..UNROLLED).map(|number| step(number * stride % (BYTES - 64))).collect()
}

fn work() -> Vec<Work> {
    [of_memory(), of_numbers(), of_vectors(), of_control(), of_the_runtime()].into_iter().flatten().collect()
}

fn of_memory() -> Vec<Work> {
    // Another page and another line each time; in the next turn other lines of these pages.
    let far = (BYTES / UNROLLED) & !63;
    let next = "(local.set $a (i32.and (i32.add (local.get $a) (i32.const 320)) (i32.const 8191)))";
    let load = |at| format!("(local.set $b (i32.add (local.get $b) (i32.load offset={at} (local.get $a))))");
    let store = |at| format!("(i32.store offset={at} (local.get $a) (local.get $b))");
    let across = |at: usize| format!("(i32.store offset={} (i32.const 0) (local.get $b))", at + 4094);
    vec![
        of("loads, each from where the last one led", &chain(0), chained("$a", "(i32.load)")),
        of("the same, across two pages", &chain(4093), chained("$a", "(i32.load)")),
        of("loads from everywhere", "", spread(far, load) + next),
        of("stores to everywhere", "", spread(far, store) + next),
        of("stores across pages everywhere", "", spread(16_384, across)),
        of("stores across two pages of the cache", "", spread(0, across)),
    ]
}

fn of_numbers() -> Vec<Work> {
    let division = "(i64.const 0x7fffffffffffffff)(i64.or)(local.get $x)(i64.div_u)".repeat(UNROLLED);
    vec![
        of("additions", "", chained("$a", "(i32.const 7)(i32.add)")),
        of("divisions of 64 bits", "(local.set $x (i64.const -3))", format!("(i64.const -1){division}(drop)")),
        of("trailing zeros and ones", "", chained("$a", "(i32.ctz)(i32.popcnt)")),
        of("square roots", "(local.set $f (f64.const 1e300))", chained("$f", "(f64.sqrt)")),
        of("rounding", "(local.set $f (f64.const 1.5))", chained("$f", "(f64.nearest)")),
        of("minimum of floats", "(local.set $f (f64.const 1.5))", chained("$f", "(f64.const 2)(f64.min)")),
    ]
}

fn of_vectors() -> Vec<Work> {
    let floats = "(local.set $v (v128.const f32x4 1.5 1.5 1.5 1.5))";
    let doubles = "(local.set $v (v128.const f64x2 1e300 1e300))";
    vec![
        of("square roots of vectors", doubles, chained("$v", "(f64x2.sqrt)")),
        of("rounding of 4 floats", floats, chained("$v", "(f32x4.nearest)")),
        of("rounding of 2 floats", doubles, chained("$v", "(f64x2.floor)")),
        of("products of vectors", "", chained("$v", "(local.get $v)(i64x2.mul)")),
        of("products of bytes", "", chained("$v", "(local.get $v)(i16x8.q15mulr_sat_s)")),
        of("shifts of bytes", "", chained("$v", "(i32.const 3)(i8x16.shr_s)")),
        of("bytes by index", "", chained("$v", "(local.get $v)(i8x16.swizzle)")),
        of("ones in bytes", "", chained("$v", "(i8x16.popcnt)")),
        of("comparisons of vectors", "", chained("$v", "(local.get $v)(i64x2.gt_s)")),
        of("conversions to numbers", "", chained("$v", "(i32x4.trunc_sat_f32x4_u)")),
        of("conversions to vectors", "", chained("$v", "(f64x2.convert_low_i32x4_u)")),
    ]
}

fn of_control() -> Vec<Work> {
    // No processor foretells where this leads.
    let random = |at: usize| {
        format!("(local.tee $a (i32.add (i32.mul (local.get $a) (i32.const 1664525)) (i32.const {})))", at | 1)
    };
    let branch = |at| format!("(if (i32.lt_s {} (i32.const 0)) (then (local.set $b (local.get $a))))", random(at));
    let call =
        |at| format!("(call_indirect (type $none) (i32.and (i32.const 63) (i32.shr_u {} (i32.const 20))))", random(at));
    vec![
        of("calls", "", spread(0, |_| "(call $empty)".to_owned())),
        of("calls through a table", "", spread(1, call)),
        of("branches that cannot be foretold", "", spread(1, branch)),
    ]
}

fn of_the_runtime() -> Vec<Work> {
    let byte = |at| format!("(memory.copy (i32.const {at}) (i32.const 0) (i32.const 1))");
    let all = BYTES - 64;
    vec![
        of("memory.copy of one byte", "", spread(64, byte)),
        of("memory.copy of everything", "", format!("(memory.copy (i32.const 0) (i32.const 64) (i32.const {all}))")),
        of("memory.fill of everything", "", format!("(memory.fill (i32.const 0) (i32.const 0) (i32.const {all}))")),
        of("memory.grow by nothing", "", spread(0, |_| "(drop (memory.grow (i32.const 0)))".to_owned())),
        of("table.get", "", spread(0, |_| "(drop (table.get (i32.const 0)))".to_owned())),
    ]
}

/// Makes each line lead to another one far away, all in one circle. `shift` is where in the line the address lies.
fn chain(shift: usize) -> String {
    // Odd, so that it has no factor in common with the number of pieces.
    let (piece, pieces) = if shift == 0 { (64, BYTES / 64) } else { (8192, BYTES / 8192 - 1) };
    let step = (pieces * 5 / 8) | 1;
    format!(
        "(loop $next
            (local.set $b (i32.rem_u (i32.add (local.get $a) (i32.const {step})) (i32.const {pieces})))
            (i32.store (i32.add (i32.mul (local.get $a) (i32.const {piece})) (i32.const {shift}))
                (i32.add (i32.mul (local.get $b) (i32.const {piece})) (i32.const {shift})))
            (local.set $a (local.get $b))
            (br_if $next (local.get $a)))
        (local.set $a (i32.const {shift}))"
    )
}
