internal import CTernaryKernels

/// Decoders and encoders of the file formats.
package enum Codec {
    /// Decodes `values.count` elements of a block type, a multiple of its block size.
    package static func decode(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into values: BufferView<Float>
    ) {
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        guard let start = bytes.baseAddress else { return }
        tk_decode(type.kernelType, start, values.count, values.base)
    }

    /// Encodes floats, a multiple of the block size, into `bytes`.
    package static func encode(
        _ type: ElementType, _ values: BufferView<Float>, into bytes: BufferView<UInt8>
    ) {
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        tk_encode(type.kernelType, values.base, values.count, bytes.base)
    }

    /// Decodes flat elements `range` of an I2_S tensor; in order C whole groups of four rows. Returns
    /// the index of the first invalid code, if any.
    package static func decodeI2S(
        _ bytes: UnsafeRawBufferPointer, order: I2SOrder = .a, columns: Int, range: Range<Int>,
        into trits: BufferView<Int8>
    ) -> Int? {
        precondition(bytes.count * 4 >= range.upperBound && trits.count >= range.count)
        let group = 4 * columns
        precondition(
            order != .c
                || range.lowerBound.isMultiple(of: group) && range.count.isMultiple(of: group))
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_i2s(
            order.kernelOrder, start.assumingMemoryBound(to: UInt8.self), columns, range.lowerBound,
            range.count, trits.base)
        return bad < 0 ? nil : bad + range.lowerBound
    }

    /// Decodes TQ1_0 or TQ2_0 blocks and their scales.
    package static func decodeTQ(
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
    package static func decodeHuggingFace(
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
    package static func encodeI2S(_ trits: BufferView<Int8>, into bytes: BufferView<UInt8>) {
        precondition(trits.count % 128 == 0 && bytes.count >= trits.count / 4)
        tk_encode_i2s(trits.base, trits.count, bytes.base)
    }

    /// Encodes rows in TQ1_0 or TQ2_0 with one scale.
    package static func encodeTQ(
        _ type: ElementType, _ trits: BufferView<Int8>, scale: Float, into bytes: BufferView<UInt8>
    ) {
        precondition(trits.count % 256 == 0 && bytes.count >= trits.count / 256 * type.block.bytes)
        tk_encode_tq(type.kernelType, trits.base, trits.count, scale, bytes.base)
    }

    /// Sum of the magnitudes of a row, in double.
    package static func absoluteSum(_ x: BufferView<Float>) -> Double {
        tk_absolute_sum(x.base, x.count)
    }

    /// The largest magnitude of a row, NaN if it has one.
    static func largestMagnitude(_ x: BufferView<Float>) -> Float {
        tk_largest_magnitude(x.base, x.count)
    }

    /// Rounds `x * g` to trits, half to even.
    package static func ternarize(_ x: BufferView<Float>, g: Float, into trits: BufferView<Int8>) {
        precondition(trits.count == x.count)
        tk_ternarize(x.base, x.count, g, trits.base)
    }
}

// MARK: - Ternary weights in blocks, and what conversion measures

extension Codec {
    /// Decodes Q2_0 blocks and their scales.
    package static func decodeQ2(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into trits: BufferView<Int8>,
        scales: BufferView<Float>
    ) -> Int? {
        let block = type.block
        precondition(trits.count % block.elements == 0)
        precondition(scales.count >= trits.count / block.elements)
        precondition(bytes.count >= trits.count / block.elements * block.bytes)
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_q2_0(
            block.elements, start.assumingMemoryBound(to: UInt8.self), trits.count, trits.base,
            scales.base)
        return bad < 0 ? nil : bad
    }

    /// Decodes rows `range` of a matrix whose rows begin with their scales. Returns the index of the
    /// first invalid code, if any.
    package static func decodeRows(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, columns: Int, range: Range<Int>,
        into trits: BufferView<Int8>
    ) -> Int? {
        checkRows(type, bytes, columns: columns, count: range.upperBound)
        precondition(range.lowerBound >= 0 && trits.count >= range.count * columns)
        guard let start = bytes.baseAddress else { return nil }
        let bad = tk_decode_bn(
            type.kernelType, start.assumingMemoryBound(to: UInt8.self), columns, range.lowerBound,
            range.upperBound, trits.base)
        return bad < 0 ? nil : bad + range.lowerBound * columns
    }

    /// The scales that rows begin with, `scales.count` of them.
    package static func rowScales(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, columns: Int,
        into scales: BufferView<Float>
    ) {
        checkRows(type, bytes, columns: columns, count: scales.count)
        guard let start = bytes.baseAddress else { return }
        tk_bn_scales(
            type.kernelType, start.assumingMemoryBound(to: UInt8.self), columns, scales.count,
            scales.base)
    }

    /// Stops where `bytes` are fewer than `count` rows take, with those they are interleaved with.
    private static func checkRows(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, columns: Int, count: Int
    ) {
        let (block, together) = (type.block, type.interleavedRows)
        precondition(type.hasRowScales && columns % block.elements == 0)
        let stored = (count + together - 1) / together * together
        let width = type.rowBytes + columns / block.elements * block.bytes
        precondition(bytes.count >= stored * width)
    }

    /// Decodes Q4_0 or Q5_0 blocks that were made from ternary weights, undoing the encoder's
    /// clipping; false where they were not.
    package static func decodeClippedTernary(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into values: BufferView<Float>
    ) -> Bool {
        precondition(type == .q4_0 || type == .q5_0)
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        guard let start = bytes.baseAddress else { return false }
        return tk_decode_clipped_ternary(type.kernelType, start, values.count, values.base)
    }

    /// Encodes trits with one scale in blocks of Q8_0 or Q6_K.
    package static func encodeTernaryBlocks(
        _ type: ElementType, _ trits: BufferView<Int8>, scale: Float, into bytes: BufferView<UInt8>
    ) {
        precondition(type == .q8_0 || type == .q6_K)
        let block = type.block
        precondition(trits.count % block.elements == 0)
        precondition(bytes.count >= trits.count / block.elements * block.bytes)
        tk_encode_ternary_blocks(type.kernelType, trits.base, trits.count, scale, bytes.base)
    }

    /// The scales of TQ1_0, TQ2_0 or Q2_0 blocks.
    package static func blockScales(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into scales: BufferView<Float>
    ) {
        let block = type.block
        precondition(bytes.count >= scales.count * block.bytes)
        guard let start = bytes.baseAddress else { return }
        tk_block_scales(type.kernelType, start, scales.count * block.elements, scales.base)
    }

    /// Trits times a scale.
    package static func scale(_ trits: BufferView<Int8>, by scale: Float, into y: BufferView<Float>)
    {
        precondition(trits.count == y.count)
        tk_scale_trits(trits.base, trits.count, scale, y.base)
    }

    /// `magnitudes` of every `block` elements of x.
    package static func magnitudes(
        _ x: BufferView<Float>, block: Int, smallest: BufferView<Float>, largest: BufferView<Float>
    ) {
        let count = (x.count + block - 1) / block
        precondition(block > 0 && smallest.count >= count && largest.count >= count)
        tk_block_magnitudes(x.base, x.count, block, smallest.base, largest.base)
    }

    /// The signs of x.
    package static func signs(_ x: BufferView<Float>, into trits: BufferView<Int8>) {
        precondition(trits.count == x.count)
        tk_signs(x.base, x.count, trits.base)
    }

    /// How many trits are 0.
    package static func zeros(_ trits: BufferView<Int8>) -> Int {
        tk_count_zeros(trits.base, trits.count)
    }

    /// The sum of up to 2^23 int8 values.
    package static func sum(_ q: BufferView<Int8>) -> Int32 { tk_sum(q.base, q.count) }
}

/// The squared error of storing weights, relative to the squared weights.
package struct StorageError: Sendable, BitwiseCopyable {
    private var error = 0.0
    private var total = 0.0

    package init() {}

    /// Adds what became of `x`.
    package mutating func add(_ x: BufferView<Float>, storedAs y: BufferView<Float>) {
        precondition(x.count == y.count)
        tk_squared_error(x.base, y.base, x.count, &error, &total)
    }

    package mutating func add(_ other: StorageError) {
        error += other.error
        total += other.total
    }

    /// 0 for exact storage.
    package var relative: Double { total > 0 ? error / total : 0 }
}
