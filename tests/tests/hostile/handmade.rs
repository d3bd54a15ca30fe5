//! Components made by hand around a part that misbehaves before any function is called.

/// A component with these parts, which exports an allocator of the right types.
pub(crate) fn component(parts: &str) -> Vec<u8> {
    wat::parse_str(ALLOCATOR.replace("PARTS", parts)).unwrap()
}

const ALLOCATOR: &str = r#"(component
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
    PARTS
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
