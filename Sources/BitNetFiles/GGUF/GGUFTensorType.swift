/// The tensor type ids of GGUF: which are read, and why the others are not.
///
/// Microsoft's fork and llama.cpp have given the same numbers to different formats, so a few ids
/// say nothing certain about the bytes.
package enum GGUFTensorType {
    private static let readable: [(id: UInt32, type: ElementType)] = [
        (0, .f32), (1, .f16), (2, .q4_0), (3, .q4_1), (6, .q5_0), (7, .q5_1), (8, .q8_0),
        (12, .q4_K), (13, .q5_K), (14, .q6_K), (30, .bf16), (34, .tq1_0), (35, .tq2_0), (36, .i2_s),
    ]

    /// Formats that exist, are unambiguous, and are not read.
    private static let known: [UInt32: String] = [
        9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
        19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
        26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8",
        33: "Q4_0_8_8",
    ]

    private static let toI2S =
        "convert the original checkpoint to I2_S, TQ1_0 or TQ2_0 (or open its folder directly)"

    /// Q2_0 or TL2: `GGUFParser` finds out.
    static let q2: UInt32 = 42

    /// The id that a writer gives `type`; nil where GGUF has none.
    package static func id(of type: ElementType) -> UInt32? {
        if type == .q2_0 || type == .q2_0_128 { return q2 }
        return readable.first { $0.type == type }?.id
    }

    /// The error for a tensor with id 42 whose size does not tell what it is.
    static func ambiguousQ2(
        tensor: String, path: String, isTL2: Bool, isEither: Bool
    ) -> BitNetError {
        let size =
            isTL2
            ? "; its size is that of TL2, whose order depends on tile sizes that are not in the file"
            : isEither
                ? "; its size is that of more than one of them"
                : "; its size is none of theirs"
        return .unsupportedFormat(
            path: path,
            detail:
                "tensor '\(tensor)' has type id 42, which is Q2_0 in llama.cpp (groups of 64 or "
                + "128) and TL2 in bitnet.cpp (2026)" + size,
            remedy: toI2S)
    }

    /// The type with `id`, or `unsupportedFormat` naming the tensor.
    static func elementType(
        id: UInt32, tensor: String, path: String
    ) throws(BitNetError) -> ElementType {
        if let entry = readable.first(where: { $0.id == id }) { return entry.type }
        let (what, remedy) = explanation(of: id)
        throw .unsupportedFormat(
            path: path, detail: "tensor '\(tensor)' has type id \(id), \(what)", remedy: remedy)
    }

    private static func explanation(of id: UInt32) -> (what: String, remedy: String) {
        switch id {
        case 4, 5:
            return ("a removed format (Q4_2 or Q4_3)", "convert the model again")
        case 37:
            return ("I8_S (or the removed IQ4_NL_4_8)", toI2S)
        case 38:
            return ("TL1: its order depends on tile sizes that are not in the file", toI2S)
        case 39:
            return ("which is MXFP4 in llama.cpp and TL2 in bitnet.cpp (2024-25)", toI2S)
        case 40:
            return ("which is NVFP4 in llama.cpp", toI2S)
        case 41:
            return ("which is Q1_0 in llama.cpp", toI2S)
        default:
            if let name = known[id] {
                return ("\(name), which is not read", "convert the tensor to F16, Q8_0 or Q6_K")
            }
            return ("which is unknown", "convert the model with a type this library reads")
        }
    }
}
