//! What instructions cost: one unit where nothing else is said. One unit takes at most some 50 ns, 100 on a machine whose
//! memory is busy; `examples/fuel_bench.rs` measures it.

use wasmtime::OperatorCost;

/// A read that waits for the machine's memory takes 200 to 400 times as long as an addition.
const LOAD: u8 = 8;
const DIVISION: u8 = 4;
/// A function of the host, for processors without SSE 4.1. For vectors it is called once for each number.
const ROUNDING: u8 = 4;
const VECTOR_ROUNDING: u8 = 24;
/// Tens of instructions, for processors without SSSE3.
const EMULATED: u8 = 8;
/// What the runtime does outside of the machine code. What it moves costs one for each byte or element beside this.
const LIBRARY_CALL: u8 = 20;

/// The costs, the same for the compiler and the plugin.
pub(super) fn costs() -> OperatorCost {
    library_calls(emulations(divisions(loads(OperatorCost::new()))))
}

fn loads(costs: OperatorCost) -> OperatorCost {
    OperatorCost {
        I32Load: LOAD,
        I64Load: LOAD,
        F32Load: LOAD,
        F64Load: LOAD,
        I32Load8S: LOAD,
        I32Load8U: LOAD,
        I32Load16S: LOAD,
        I32Load16U: LOAD,
        I64Load8S: LOAD,
        I64Load8U: LOAD,
        I64Load16S: LOAD,
        I64Load16U: LOAD,
        I64Load32S: LOAD,
        I64Load32U: LOAD,
        CallIndirect: LOAD,
        ..vector_loads(costs)
    }
}

fn vector_loads(costs: OperatorCost) -> OperatorCost {
    OperatorCost {
        V128Load: LOAD,
        V128Load8x8S: LOAD,
        V128Load8x8U: LOAD,
        V128Load16x4S: LOAD,
        V128Load16x4U: LOAD,
        V128Load32x2S: LOAD,
        V128Load32x2U: LOAD,
        V128Load8Splat: LOAD,
        V128Load16Splat: LOAD,
        V128Load32Splat: LOAD,
        V128Load64Splat: LOAD,
        V128Load32Zero: LOAD,
        V128Load64Zero: LOAD,
        V128Load8Lane: LOAD,
        V128Load16Lane: LOAD,
        V128Load32Lane: LOAD,
        V128Load64Lane: LOAD,
        ..costs
    }
}

fn emulations(costs: OperatorCost) -> OperatorCost {
    OperatorCost {
        F32Ceil: ROUNDING,
        F32Floor: ROUNDING,
        F32Trunc: ROUNDING,
        F32Nearest: ROUNDING,
        F64Ceil: ROUNDING,
        F64Floor: ROUNDING,
        F64Trunc: ROUNDING,
        F64Nearest: ROUNDING,
        F32x4Ceil: VECTOR_ROUNDING,
        F32x4Floor: VECTOR_ROUNDING,
        F32x4Trunc: VECTOR_ROUNDING,
        F32x4Nearest: VECTOR_ROUNDING,
        F64x2Ceil: VECTOR_ROUNDING,
        F64x2Floor: VECTOR_ROUNDING,
        F64x2Trunc: VECTOR_ROUNDING,
        F64x2Nearest: VECTOR_ROUNDING,
        I8x16Swizzle: EMULATED,
        I8x16Shuffle: EMULATED,
        I8x16Popcnt: EMULATED,
        I32x4TruncSatF32x4U: EMULATED,
        ..costs
    }
}

fn divisions(costs: OperatorCost) -> OperatorCost {
    OperatorCost {
        I32DivS: DIVISION,
        I32DivU: DIVISION,
        I32RemS: DIVISION,
        I32RemU: DIVISION,
        I64DivS: DIVISION,
        I64DivU: DIVISION,
        I64RemS: DIVISION,
        I64RemU: DIVISION,
        F32Div: DIVISION,
        F64Div: DIVISION,
        F32Sqrt: DIVISION,
        F64Sqrt: DIVISION,
        F32x4Div: DIVISION,
        F64x2Div: DIVISION,
        F32x4Sqrt: DIVISION,
        F64x2Sqrt: DIVISION,
        ..costs
    }
}

fn library_calls(costs: OperatorCost) -> OperatorCost {
    OperatorCost {
        MemoryGrow: 10 * LIBRARY_CALL,
        MemoryFill: LIBRARY_CALL,
        MemoryCopy: LIBRARY_CALL,
        MemoryInit: LIBRARY_CALL,
        DataDrop: LIBRARY_CALL,
        TableGrow: 10 * LIBRARY_CALL,
        TableFill: LIBRARY_CALL,
        TableCopy: LIBRARY_CALL,
        TableInit: LIBRARY_CALL,
        TableGet: LIBRARY_CALL,
        TableSet: LIBRARY_CALL,
        ElemDrop: LIBRARY_CALL,
        RefFunc: LIBRARY_CALL,
        ..costs
    }
}
