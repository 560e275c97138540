/// How a model holds its LM head in memory, whatever the file has.
///
/// The head is the largest matrix of a small model: at 2B-4T's shape in F16 it is 657 of the 1,074
/// MB that every token reads. `f16`, `q8_0`, `q6_K` and `q4_0` round it once more while the model is
/// loaded, which changes logits a little. The two-stage heads keep the matrix as it is stored and
/// scan a smaller copy of it first, to find out which rows can be among the likeliest tokens; only
/// those are then read.
public enum LMHeadStorage: String, Sendable, Hashable, Codable, CaseIterable {
    /// As the file has it.
    case asStored = "as-stored"
    /// IEEE binary16.
    case f16 = "f16"
    /// 8.5 bits a weight.
    case q8_0 = "q8_0"
    /// 6.56 bits a weight.
    case q6_K = "q6_k"
    /// 4.5 bits a weight.
    case q4_0 = "q4_0"
    /// As stored, and an int8 copy to scan: greedy and top-k choices are, bit for bit, those of the
    /// stored head. For each row the copy's error is bounded (the norm of what rounding changed times
    /// the norm of the hidden state), and every row that can still be one of the likeliest is
    /// computed from the stored matrix; where too many can, all are. Q8_0, Q6_K and Q4_0 need no
    /// copy, so such heads are always held like this, `asStored` too.
    case twoStageExact = "exact"
    /// As stored, and a 4.5-bit copy to scan, with a statistical margin of four standard
    /// deviations of the score's error in place of a bound: about half the bytes of the exact scan. A
    /// choice can differ from the stored head's; of 10,000 greedy ones in the tests none does. Q4_0 is
    /// as small as that copy, so such heads are held as by `twoStageExact`.
    case twoStageFast = "fast"

    /// The type that the head is encoded in while the model is loaded.
    package var elementType: ElementType? {
        switch self {
        case .asStored, .twoStageExact, .twoStageFast: nil
        case .f16: .f16
        case .q8_0: .q8_0
        case .q6_K: .q6_K
        case .q4_0: .q4_0
        }
    }

    /// How a head that is held as `type` is scanned.
    package func scanType(for type: ElementType) -> LMHeadScanType? {
        switch self {
        case .twoStageExact: LMHeadScan.exactType(for: type)
        case .twoStageFast: LMHeadScan.fastType(for: type)
        default: LMHeadScanType(inPlace: type)
        }
    }
}
