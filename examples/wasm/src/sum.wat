;; Two functions and a page of memory. `wat2wasm sum.wat -o sum.wasm` makes the module.
(module
  (memory (export "memory") 1)

  ;; a + b, as 32-bit integers
  (func (export "add") (param $a i32) (param $b i32) (result i32)
    (i32.add (local.get $a) (local.get $b)))

  ;; The sum of `count` 32-bit integers that stand in memory from address 0.
  (func (export "sum") (param $count i32) (result i32)
    (local $at i32)
    (local $end i32)
    (local $total i32)
    (local.set $end (i32.shl (local.get $count) (i32.const 2)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $total (i32.add (local.get $total) (i32.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next)))
    (local.get $total)))
