internal import CTernaryKernels

// Packing, unpacking and decoding: portable code that runs while a model is loaded.

/// How trits are packed for the kernels.
public enum TernaryLayout: String, Sendable, Hashable, CaseIterable {
    /// 2 bits per weight, 128 columns to 32 bytes.
    case t2 = "T2"
    /// 1.6 bits per weight (five trits a byte), 160 columns to 32 bytes.
    case t5 = "T5"
    /// 2 bits per weight in panels of 32 rows, for kernels that look up sums of activations (the idea
    /// of TL1): to be compared with, seldom the fastest.
    case l2 = "L2"

    var kernelLayout: tk_layout {
        switch self {
        case .t2: TK_LAYOUT_T2
        case .t5: TK_LAYOUT_T5
        case .l2: TK_LAYOUT_L2
        }
    }

    /// Whether single rows or columns can be left out; panels of rows have neither for themselves.
    var canSkip: Bool { self != .l2 }

    /// Columns in one block.
    var blockColumns: Int { tk_block_columns(kernelLayout) }
}

/// Trits in a kernel's layout, without scales: `W[rows, columns]`, immutable once packed.
///
/// Groups of columns that have scales of their own are packed as matrices of their own, one after
/// the other, each padded to whole blocks.
struct PackedTrits: Sendable {
    let rows: Int
    let columns: Int
    /// Columns that share a scale: all of them, or an equal part.
    let groupColumns: Int
    let layout: TernaryLayout
    let storage: AlignedBuffer<UInt8>
    let arrangement: Arrangement

    /// An all-zero matrix to pack into; `groupColumns` divides the columns.
    init(
        rows: Int, columns: Int, groupColumns: Int? = nil, layout: TernaryLayout
    ) throws(BitNetError) {
        guard rows > 0, columns > 0, columns <= Int(TK_MAX_COLUMNS) else {
            throw .invalidArgument(name: "shape", detail: "[\(rows), \(columns)] cannot be packed")
        }
        let group = groupColumns ?? columns
        guard group > 0, columns % group == 0 else {
            throw .invalidArgument(
                name: "scale", detail: "groups of \(group) do not divide \(columns) columns")
        }
        // A group of one column takes 32 bytes a row: past this the sizes below could overflow.
        guard let count = elementCount(of: [rows, columns]), count <= 1 << 48 else {
            throw .outOfMemory(bytes: .max, purpose: "packed weights")
        }
        let size = tk_packed_size(layout.kernelLayout, rows, group)
        self.rows = rows
        self.columns = columns
        self.groupColumns = group
        self.layout = layout
        arrangement = .tiles
        storage = try AlignedBuffer(count: columns / group * size, purpose: "packed weights")
    }

    /// Groups of columns, 1 where all columns share a scale.
    var groupCount: Int { columns / groupColumns }

    /// Blocks of a row, of each group where there are several.
    var blockCount: Int { (groupColumns + layout.blockColumns - 1) / layout.blockColumns }

    /// The matrix, in tiles, as kernels take it; of several groups the first.
    var kernelMatrix: tk_matrix { kernelMatrix(group: 0) }

    func kernelMatrix(group: Int) -> tk_matrix {
        let bytes = storage.count / groupCount
        return tk_matrix(
            data: storage.view[group * bytes..<(group + 1) * bytes].base, rows: rows,
            columns: groupColumns, layout: layout.kernelLayout)
    }

    /// Packs `trits`, row-major, as rows `range`, which starts at a multiple of the tile height.
    func pack(_ trits: BufferView<Int8>, rows range: Range<Int>) {
        precondition(range.upperBound <= rows && trits.count >= range.count * columns)
        guard groupCount > 1 else {
            tk_pack(
                layout.kernelLayout, trits.base, rows, columns, range.lowerBound, range.upperBound,
                storage.view.base)
            return
        }
        withUnsafeTemporaryAllocation(of: Int8.self, capacity: range.count * groupColumns) { part in
            guard let base = part.baseAddress else { return }
            let group = BufferView(base: base, count: part.count)
            for index in 0..<groupCount {
                for row in 0..<range.count {
                    let start = row * columns + index * groupColumns
                    group[row * groupColumns..<(row + 1) * groupColumns].copy(
                        from: trits[start..<start + groupColumns])
                }
                tk_pack(
                    layout.kernelLayout, base, rows, groupColumns, range.lowerBound,
                    range.upperBound,
                    UnsafeMutablePointer(mutating: kernelMatrix(group: index).data))
            }
        }
    }

    /// Writes rows `range` as trits, row-major.
    func unpack(rows range: Range<Int>, into trits: BufferView<Int8>) {
        precondition(range.upperBound <= rows && trits.count >= range.count * columns)
        guard arrangement == .tiles else { return unpackStrands(rows: range, into: trits) }
        var start = 0
        for row in range where groupCount > 1 {
            for index in 0..<groupCount {
                var w = kernelMatrix(group: index)
                tk_unpack(&w, row, row + 1, trits[start..<start + groupColumns].base)
                start += groupColumns
            }
        }
        guard groupCount == 1 else { return }
        var w = kernelMatrix
        tk_unpack(&w, range.lowerBound, range.upperBound, trits.base)
    }
}

extension ElementType {
    /// The C library's name for a type that decodes to floats.
    var kernelType: tk_type {
        switch self {
        case .f32: TK_F32
        case .f16: TK_F16
        case .bf16: TK_BF16
        case .q4_0: TK_Q4_0
        case .q4_1: TK_Q4_1
        case .q5_0: TK_Q5_0
        case .q5_1: TK_Q5_1
        case .q8_0: TK_Q8_0
        case .q4_K: TK_Q4_K
        case .q5_K: TK_Q5_K
        case .q6_K: TK_Q6_K
        case .tq1_0: TK_TQ1_0
        case .tq2_0: TK_TQ2_0
        case .q2_0: TK_Q2_0
        case .q2_0_128: TK_Q2_0_128
        case .i2_s, .packedTernary, .i8, .i32, .i64:
            preconditionFailure("\(rawValue) does not decode to floats")
        }
    }

    /// Whether elements decode to floats one block at a time.
    var isFloatLike: Bool {
        switch self {
        case .i2_s, .packedTernary, .i8, .i32, .i64: false
        default: true
        }
    }

    /// Whether matrices of this type can be multiplied as stored.
    var hasDenseKernel: Bool { isFloatLike && tk_can_dense_gemv(kernelType) }

    /// Whether `encode` can write this type.
    var canEncode: Bool { isFloatLike && tk_can_encode(kernelType) }

    /// Elements and bytes of a block of a type that decodes to floats.
    var block: (elements: Int, bytes: Int) {
        (tk_type_block_size(kernelType), tk_type_block_bytes(kernelType))
    }
}

/// Decoders and encoders of the file formats.
enum Codec {
    /// Decodes `values.count` elements of a block type, a multiple of its block size.
    static func decode(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into values: BufferView<Float>
    ) {
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        guard let start = bytes.baseAddress else { return }
        tk_decode(type.kernelType, start, values.count, values.base)
    }

    /// Encodes floats, a multiple of the block size, into `bytes`.
    static func encode(
        _ type: ElementType, _ values: BufferView<Float>, into bytes: BufferView<UInt8>
    ) {
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        tk_encode(type.kernelType, values.base, values.count, bytes.base)
    }

    /// Decodes flat elements `range` of an I2_S tensor; in order C whole groups of four rows. Returns
    /// the index of the first invalid code, if any.
    static func decodeI2S(
        _ bytes: UnsafeRawBufferPointer, order: I2SOrder = .a, columns: Int, range: Range<Int>,
        into trits: BufferView<Int8>
    ) -> Int? {
        precondition(bytes.count * 4 >= range.upperBound && trits.count >= range.count)
        precondition(order != .c || (range.lowerBound | range.count) % (4 * columns) == 0)
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_i2s(
            order.kernelOrder, start.assumingMemoryBound(to: UInt8.self), columns, range.lowerBound,
            range.count, trits.base)
        return bad < 0 ? nil : bad + range.lowerBound
    }

    /// Decodes TQ1_0 or TQ2_0 blocks and their scales.
    static func decodeTQ(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into trits: BufferView<Int8>,
        scales: BufferView<Float>
    ) -> Int? {
        precondition(scales.count >= trits.count / 256)
        precondition(bytes.count >= trits.count / 256 * type.block.bytes)
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_tq(
            type.kernelType, start.assumingMemoryBound(to: UInt8.self), trits.count, trits.base,
            scales.base)
        return bad < 0 ? nil : bad
    }

    /// Decodes logical rows `range` of a Hugging Face packed tensor.
    static func decodeHuggingFace(
        _ bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, range: Range<Int>,
        into trits: BufferView<Int8>
    ) -> Int? {
        precondition(bytes.count >= rows / 4 * columns && trits.count >= range.count * columns)
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_hf(
            start.assumingMemoryBound(to: UInt8.self), rows, columns, range.lowerBound,
            range.upperBound, trits.base)
        return bad < 0 ? nil : bad + range.lowerBound * columns
    }

    /// Encodes a whole matrix in I2_S, order A.
    static func encodeI2S(_ trits: BufferView<Int8>, into bytes: BufferView<UInt8>) {
        precondition(trits.count % 128 == 0 && bytes.count >= trits.count / 4)
        tk_encode_i2s(trits.base, trits.count, bytes.base)
    }

    /// Encodes rows in TQ1_0 or TQ2_0 with one scale.
    static func encodeTQ(
        _ type: ElementType, _ trits: BufferView<Int8>, scale: Float, into bytes: BufferView<UInt8>
    ) {
        precondition(trits.count % 256 == 0 && bytes.count >= trits.count / 256 * type.block.bytes)
        tk_encode_tq(type.kernelType, trits.base, trits.count, scale, bytes.base)
    }

    /// Sum of the magnitudes of a row, in double.
    static func absoluteSum(_ x: BufferView<Float>) -> Double { tk_absolute_sum(x.base, x.count) }

    /// The smallest non-zero magnitude of a row (infinity if there is none) and the largest.
    static func magnitudes(_ x: BufferView<Float>) -> (smallest: Float, largest: Float) {
        var smallest: Float = 0
        var largest: Float = 0
        tk_magnitudes(x.base, x.count, &smallest, &largest)
        return (smallest, largest)
    }

    /// Rounds `x * g` to trits, half to even.
    static func ternarize(_ x: BufferView<Float>, g: Float, into trits: BufferView<Int8>) {
        precondition(trits.count == x.count)
        tk_ternarize(x.base, x.count, g, trits.base)
    }
}
