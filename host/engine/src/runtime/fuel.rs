//! What instructions cost: one unit where nothing else is answer. One unit takes at most some 50 ns.

use wasmtime::OperatorCost;

/// A read that waits for the machine's memory takes 100 times as long as an addition.
const LOAD: u8 = 4;
const DIVISION: u8 = 4;
/// What the runtime does outside of the machine code. What it moves costs one for each byte or element beside this.
const LIBRARY_CALL: u8 = 20;

/// The costs, the same for the compiler and the plugin.
pub(super) fn costs() -> OperatorCost {
    library_calls(divisions(loads(OperatorCost::new())))
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
