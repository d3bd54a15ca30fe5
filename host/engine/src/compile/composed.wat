;; Two components that pass strings to each other, as `wac plug` composes them.
(component
    (component $callee
        (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
            (func (export "f") (param i32 i32)))
        (core instance $i (instantiate $m))
        (func (export "f") (param "s" string)
            (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
    (component $caller
        (import "f" (func $f (param "s" string)))
        (core module $m (memory (export "memory") 1))
        (core instance $i (instantiate $m))
        (core func $lowered (canon lower (func $f) (memory (core memory $i "memory"))))
        (core module $n
            (import "" "f" (func $f (param i32 i32)))
            (func (export "g") (call $f (i32.const 0) (i32.const 0))))
        (core instance $j (instantiate $n (with "" (instance (export "f" (func $lowered))))))
        (func (export "g") (canon lift (core func $j "g"))))
    (instance $x (instantiate $callee))
    (instance $y (instantiate $caller (with "f" (func $x "f"))))
    (export "g" (func $y "g")))
