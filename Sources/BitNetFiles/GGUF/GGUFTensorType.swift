/// The tensor type ids of GGUF: which are read, and why the others are not.
///
/// Microsoft's fork and llama.cpp have given the same numbers to different formats, so a few ids
/// say nothing certain about the bytes. ik_llama.cpp takes ids from 133 on for its own.
package enum GGUFTensorType {
    private static let readable: [(id: UInt32, type: ElementType)] = [
        (0, .f32), (1, .f16), (2, .q4_0), (3, .q4_1), (6, .q5_0), (7, .q5_1), (8, .q8_0),
        (12, .q4_K), (13, .q5_K), (14, .q6_K), (20, .iq4_nl), (30, .bf16), (34, .tq1_0),
        (35, .tq2_0),
        (36, .i2_s), (134, .iq1_bn), (135, .iq2_bn), (335, .iq2_bn_r4),
    ]

    /// Formats that exist, are unambiguous, and are not read.
    private static let known: [UInt32: String] = [
        9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
        19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
        26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8",
        33: "Q4_0_8_8",
    ]

    /// Formats of ik_llama.cpp that are not read: its own, and others with rows interleaved. Its ids
    /// 97 to 99 are left out: they have changed their meaning, and no file has them.
    private static let knownToIK: [UInt32: String] = [
        133: "Q6_0", 136: "Q8_K64", 137: "IQ2_K", 138: "IQ3_K", 139: "IQ4_K", 140: "IQ5_K",
        141: "IQ6_K", 144: "IQ4_KS", 145: "IQ2_KS", 146: "IQ4_KSS", 147: "Q8_K16", 148: "Q8_K32",
        149: "Q8_KR8", 150: "Q8_K128", 151: "Q8_KV", 152: "IQ5_KS", 153: "IQ2_KT", 154: "IQ3_KT",
        155: "IQ4_KT", 156: "IQ3_KS", 157: "IQ2_KL", 158: "IQ1_KT", 202: "Q4_0_R8", 206: "Q5_0_R4",
        208: "Q8_0_R8", 210: "Q2_K_R4", 211: "Q3_K_R4", 212: "Q4_K_R4", 213: "Q5_K_R4",
        214: "Q6_K_R4", 216: "IQ2_XXS_R4", 217: "IQ2_XS_R4", 218: "IQ3_XXS_R4", 219: "IQ1_S_R4",
        220: "IQ4_NL_R4", 221: "IQ3_S_R4", 222: "IQ2_S_R4", 223: "IQ4_XS_R8", 229: "IQ1_M_R4",
        230: "BF16_R16", 233: "Q6_0_R4", 337: "IQ2_K_R4", 338: "IQ3_K_R4", 339: "IQ4_K_R4",
        340: "IQ5_K_R4", 344: "IQ4_KS_R4", 352: "IQ5_KS_R4", 353: "MXFP4_R8", 397: "Q8_K_R16",
        398: "Q8_KV_R8", 399: "Q8_K_R8",
    ]

    private static let toDense = "convert the tensor to F16, Q8_0 or Q6_K"
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
            ? "; its size is that of TL2, whose order depends on tile sizes that are not in the "
                + "file"
            : isEither
                ? "; its size is that of more than one of them"
                : "; its size is none of theirs"
        return .unsupportedFormat(
            path: path,
            detail:
                "tensor \(tensor.quoted) has type id 42, which is Q2_0 in llama.cpp (groups of "
                + "64 or "
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
            path: path,
            detail: "tensor \(tensor.quoted) has type id \(id), "
                + "\(what)", remedy: remedy)
    }

    private static func explanation(of id: UInt32) -> (what: String, remedy: String) {
        switch id {
        case 4:
            return ("a removed format (Q4_2), or MXFP4 from Ollama", "convert the model again")
        case 5:
            return ("a removed format (Q4_3)", "convert the model again")
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
        case 142:
            return ("which is PQ2_0 in PrismML's fork, and was IQ2_TN in ik_llama.cpp", toI2S)
        case 143:
            return ("which is PTQ1_0 in PrismML's fork, and was IQ1_TN in ik_llama.cpp", toI2S)
        default:
            if let name = known[id] { return ("\(name), which is not read", toDense) }
            if let name = knownToIK[id] {
                return ("\(name) of ik_llama.cpp, which is not read", toDense)
            }
            return ("which is unknown", "convert the model with a type this library reads")
        }
    }
}
