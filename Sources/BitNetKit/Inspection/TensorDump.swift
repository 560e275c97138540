/// Some rows of a tensor as its file has them: bytes, trits, scales and values.
///
/// ```swift
/// let dump = try TensorDump.read(url, tensor: "blk.0.ffn_down.weight", rows: 0..<2)
/// print(dump)
/// ```
///
/// Nothing but the file is looked at: rows are the file's, and a graph that is not known does not
/// matter.
public struct TensorDump: Sendable, Hashable, Codable {
    /// Weights that follow each other in a row.
    public struct Run: Sendable, Hashable, Codable {
        /// Where the first one is.
        public let row, column: Int
        /// How many.
        public let count: Int
    }

    /// Bytes that are decoded together: a block, or a few elements of types without blocks.
    public struct Group: Sendable, Hashable, Codable {
        /// Where the first byte is in the file.
        public let offset: Int
        /// The bytes.
        public let bytes: [UInt8]
        /// The weights that the bytes hold, whole or in part of the rows that were asked for.
        public let runs: [Run]
        /// The trits of these weights, in their order; nil for a code that is none. Empty for tensors
        /// that are not ternary.
        public let trits: [Int8?]
        /// What the trits of each run are multiplied by; nil where nothing says. Empty for tensors that
        /// are not ternary.
        public let scales: [Float?]
        /// The weights; nil where trit or scale is, and for what is not finite.
        public let values: [Float?]
    }

    /// The file that holds the tensor.
    public let path: String
    /// The tensor's name.
    public let tensor: String
    /// How its elements are stored, in GGUF's spelling.
    public let type: String
    /// `[rows, columns]` of the matrix that is meant, or `[count]` of a vector.
    public let shape: [Int]
    /// The rows that were asked for.
    public let rows: Range<Int>
    /// How a byte holds trits; nil for tensors that are not ternary.
    public let code: TritCode?
    /// How the bytes hold the weights, in words.
    public let layout: String
    /// For each byte of a whole group, which of the group's weights it holds; none for those of a
    /// scale and where blocks have more in them than trits.
    public let places: [[Int]]
    /// All groups with weights of these rows, in the order of the file.
    public let groups: [Group]

    /// The most weights that are read at once.
    public static let mostWeights = 1 << 20
}

/// Where the groups of a tensor are, and what their bytes hold.
struct GroupLayout {
    /// Bytes of a group, and of these the scale's.
    let byteCount: Int
    var scaleBytes: Range<Int> = 0..<0
    let weightCount: Int
    /// For each byte the weights that it holds.
    let places: [[Int]]
    let code: TritCode?
    let words: String

    /// The layout of a tensor, whose rows have `columns`.
    init(_ type: ElementType, columns: Int, order: I2SOrder) {
        switch type {
        case .tq1_0:
            self.init(
                bytes: 54, scale: 52..<54, places: Self.tq1, code: .tq1_0,
                "Blocks of 256 weights: 32 bytes hold weights m, 32 + m, ... 128 + m, 16 bytes "
                    + "160 + m, ... 224 + m, 4 bytes 240 + m, ... 252 + m, five trits a byte (the last "
                    + "four bytes four); then the scale as FP16.")
        case .tq2_0:
            let half = Self.spread(bytes: 32, steps: 4)
            self.init(
                bytes: 66, scale: 64..<66, places: half + half.map { $0.map { $0 + 128 } },
                code: .lowBitsFirst,
                "Blocks of 256 weights: byte m of each half holds weights m, 32 + m, 64 + m and "
                    + "96 + m of the half, the first in the lowest two bits; then the scale as FP16."
            )
        case .q2_0, .q2_0_128:
            let size = type.block.elements
            self.init(
                bytes: type.block.bytes, scale: 0..<2,
                places: (0..<size / 4).map { byte in (0..<4).map { 4 * byte + $0 } },
                code: .lowBitsFirst,
                "Blocks of \(size) weights: the scale as FP16, then four weights after the other in "
                    + "each byte, the first in the lowest two bits. Code 3 is +2, which is no trit."
            )
        case .i2_s: self.init(order, columns: columns)
        case .packedTernary:
            self.init(
                bytes: min(32, columns), places: Self.spread(bytes: min(32, columns), steps: 4),
                code: .lowBitsFirst,
                "Byte row r holds rows r, R + r, 2 R + r and 3 R + r of 4 R, the first in the lowest "
                    + "two bits; the scale is a tensor of its own.")
        case .iq1_bn:
            self.init(
                bytes: 13, places: Self.iq1, code: .iq1_bn,
                "A row is its scale as FP16, then blocks of 64 weights: bytes 3 g, 3 g + 1, 3 g + 2 "
                    + "hold weights 16 g to 16 g + 14, byte 12 holds weights 15, 31, 47, 63.")
        case .iq2_bn:
            self.init(
                bytes: 16, places: Self.spread(bytes: 16, steps: 4), code: .lowBitsFirst,
                "A row is its scale as FP32, then blocks of 64 weights: byte j holds weights j, "
                    + "16 + j, 32 + j, 48 + j, the first in the lowest two bits.")
        case .iq2_bn_r4:
            self.init(
                bytes: 64, places: Self.interleaved, code: .lowBitsFirst,
                "Four rows together: their scales as FP32, then for every 64 columns 64 bytes: byte "
                    + "16 l + 4 k + i holds columns 16 l + i, + 4, + 8, + 12 of row k.")
        default: self.init(plain: type, columns: columns)
        }
    }

    private init(
        bytes: Int, scale: Range<Int> = 0..<0, places: [[Int]], weights: Int? = nil,
        code: TritCode?, _ words: String
    ) {
        byteCount = bytes
        scaleBytes = scale
        weightCount = weights ?? places.reduce(0) { $0 + $1.count }
        var all = [[Int]](repeating: [], count: bytes)
        let first = scale.lowerBound == 0 ? scale.upperBound : 0
        for (byte, held) in places.enumerated() { all[first + byte] = held }
        self.places = all
        self.code = code
        self.words = words
    }

    private init(_ order: I2SOrder, columns: Int) {
        switch order {
        case .a, .b:
            let size = order == .a ? 32 : 16
            self.init(
                bytes: size, places: Self.spread(bytes: size, steps: 4), code: .highBitsFirst,
                "Blocks of \(4 * size) weights of the whole matrix, one row after the other: byte p "
                    + "holds weights p, \(size) + p, \(2 * size) + p, \(3 * size) + p, the first in the highest "
                    + "two bits; one scale as FP32 behind all codes.")
        case .c:
            let size = min(32, columns)
            self.init(
                bytes: size, places: Self.spread(bytes: size, steps: 4), code: .highBitsFirst,
                "Groups of four rows: a byte holds one column of them, the first in the highest two "
                    + "bits; one scale as FP32 behind all codes.")
        }
    }

    /// Elements without trits: a block, or eight of those that have none.
    private init(plain type: ElementType, columns: Int) {
        let block = type.block
        let count = block.elements > 1 ? block.elements : min(8, max(1, columns))
        let bytes = block.elements > 1 ? block.bytes : count * block.bytes
        guard block.elements == 1 else {
            self.init(
                bytes: bytes, places: [], weights: count, code: nil,
                "Blocks of \(count) weights in \(bytes) bytes, with scales of their own.")
            return
        }
        self.init(
            bytes: bytes, places: (0..<bytes).map { [$0 / block.bytes] }, weights: count, code: nil,
            "\(block.bytes == 1 ? "One byte" : "\(block.bytes) bytes") a value, the low one first.")
    }

    /// What the bytes of a group with `count` weights hold; nil where that is not known.
    func places(of count: Int, bytes: Int, _ type: ElementType, _ order: I2SOrder) -> [[Int]]? {
        if count == weightCount { return places }
        // The last columns of four rows may be fewer than a group has.
        guard type == .packedTernary || type == .i2_s && order == .c else { return nil }
        return Self.spread(bytes: bytes, steps: 4)
    }

    /// Byte p of n holds weights p, n + p, 2 n + p, ...
    private static func spread(bytes: Int, steps: Int, from first: Int = 0) -> [[Int]] {
        (0..<bytes).map { p in (0..<steps).map { first + $0 * bytes + p } }
    }

    private static let tq1 =
        spread(bytes: 32, steps: 5) + spread(bytes: 16, steps: 5, from: 160)
        + spread(bytes: 4, steps: 4, from: 240)

    private static let iq1 =
        (0..<12).map { byte in (0..<5).map { byte / 3 * 16 + byte % 3 * 5 + $0 } }
        + [[15, 31, 47, 63]]

    /// Weight 64 k + c is column c of row k.
    private static let interleaved = (0..<64).map { byte in
        (0..<4).map { 64 * (byte / 4 % 4) + byte / 16 * 16 + byte % 4 + 4 * $0 }
    }
}
