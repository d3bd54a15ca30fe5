//! Damaged and odd components through everything that a tool does with them: errors, no panic, no hang.

use std::fs;
use std::time::{Duration, Instant};

use gingham_builtin::BUILT_IN;
use gingham_engine::compile::{CompileError, Compiler, examine};
use gingham_engine::library::Digest;

use super::inspect::Inspected;
use super::source::Source;
use crate::output::print_error;

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    /// Some bits flipped, or a piece cut off, cut out, doubled or overwritten.
    fn mutated(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        let at = self.below(bytes.len());
        let length = 1 + self.below((bytes.len() - at).min(64));
        match self.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => drop(bytes.splice(at..at, whole[at..at + length].to_vec())),
            3 => bytes[at..at + length].fill(0xff),
            _ => (0..=self.below(3)).for_each(|_| {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
            }),
        }
        bytes
    }
}

/// What an author's file goes through. Returns whether it was good to the end.
fn taken(compiler: &Compiler, bytes: &[u8], dir: &std::path::Path) -> bool {
    let path = dir.join("p.wasm");
    fs::write(&path, bytes).unwrap();
    let Ok(source) = Source::read(&path) else { return false };
    let refused = !examine(&source.component).refusals.is_empty();
    let digest = Digest::of(&source.component);
    let inspected = Inspected::of(&source.name, &source.component, &digest, super::inspect::Origin::File);
    assert_eq!(inspected.refused.is_empty(), !refused);
    match compiler.compile(&source.component) {
        Ok(_) => true,
        Err(error) => {
            // An error as good as another, and a defect of a library that somebody should hear of.
            if matches!(error, CompileError::Panicked { .. }) {
                print_error(format!("only the net held this one: {error}"));
            }
            false
        }
    }
}

#[test]
fn mutated_components_are_refused_or_run() {
    let dir = tempfile::tempdir().unwrap();
    let compiler = Compiler::new().unwrap();
    let small = wat::parse_str(SMALL).unwrap();
    assert!(taken(&compiler, &small, dir.path()), "what is mutated is good");
    let module = wat::parse_str("(module (memory 1) (func (export \"f\") (result i32) i32.const 1))").unwrap();
    let mut random = Random(1);
    let (deadline, mut good, mut bad) = (Instant::now() + Duration::from_mins(5), 0, 0);
    for (whole, count) in [(small.as_slice(), 2_000), (&module, 300), (BUILT_IN[0].component(), 100)] {
        for _ in 0..count {
            let bytes = random.mutated(whole);
            let before = Instant::now();
            if taken(&compiler, &bytes, dir.path()) {
                good += 1;
            } else {
                bad += 1;
            }
            assert!(before.elapsed() < Duration::from_mins(1), "it hangs");
            assert!(Instant::now() < deadline, "{good} good and {bad} bad ones took too long");
        }
    }
    assert!(bad > 1_000, "{good} good, {bad} bad");
}

/// Imports, types, modules, lowered and lifted functions: one of each part that a policy is made of.
const SMALL: &str = r#"(component
    (import "gingham:ipam/context@0.2.0" (instance $context (export "context" (type (sub resource)))))
    (import "gingham:ipam/request@0.2.0" (instance $request (export "request" (type (sub resource)))))
    (import "gingham:ipam/pools@0.2.0" (instance $pools (export "pool" (type (sub resource)))))
    (import "gingham:ipam/answers@0.2.0" (instance $answers
        (export "answer" (type (sub resource)))
        (export "problem" (type (sub resource)))
        (export "refusal" (type (sub resource)))))
    (alias export $context "context" (type $a-context))
    (alias export $request "request" (type $a-request))
    (alias export $pools "pool" (type $a-pool))
    (alias export $answers "answer" (type $an-answer))
    (alias export $answers "problem" (type $a-problem))
    (alias export $answers "refusal" (type $a-refusal))
    (import "gingham:ipam/log@0.2.0" (instance $log
        (type $level (enum "debug" "info" "warn" "error"))
        (export "level" (type $l (eq $level)))
        (export "log" (func (param "level" $l) (param "message" string)))))
    (core module $m
        (memory (export "memory") 1)
        (table 4 funcref)
        (global (mut i32) (i32.const 7))
        (type $t (func (param i32) (result i32)))
        (func $f (type $t) (local i64)
            (block (br_if 0 (local.get 0)) (drop (i32.load (i32.const 8))))
            (call_indirect (type $t) (i32.const 3) (i32.const 0)))
        (elem (i32.const 0) func $f)
        (data (i32.const 16) "text")
        (func (export "f") (drop (call $f (i32.const 0)))))
    (core instance $n (instantiate $m))
    (alias export $log "log" (func $say))
    (core func $lowered (canon lower (func $say) (memory (core memory $n "memory"))))
    (core module $o (import "" "say" (func (param i32 i32 i32))))
    (core instance (instantiate $o (with "" (instance (export "say" (func $lowered))))))
    (core module $policy
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
        (func (export "check-config") (param i32 i32 i32) (result i32) i32.const 0)
        (func (export "allocate") (param i32 i32 i32 i32) (result i32) i32.const 0))
    (core instance $i (instantiate $policy))
    (func $check-config (param "config" string) (param "context" (borrow $a-context))
        (result (result (list (own $a-pool)) (error (list (own $a-problem)))))
        (canon lift (core func $i "check-config") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
    (func $allocate (param "config" string) (param "context" (borrow $a-context)) (param "request" (borrow $a-request))
        (result (result (own $an-answer) (error (own $a-refusal))))
        (canon lift (core func $i "allocate") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
    (instance $allocator
        (export "context" (type $a-context))
        (export "request" (type $a-request))
        (export "pool" (type $a-pool))
        (export "answer" (type $an-answer))
        (export "problem" (type $a-problem))
        (export "refusal" (type $a-refusal))
        (export "check-config" (func $check-config))
        (export "allocate" (func $allocate)))
    (export "gingham:ipam/allocator@0.2.0" (instance $allocator)))"#;
