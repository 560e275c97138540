internal import CTernaryKernels

// Ternary weights in the blocks of file formats, and what conversion measures.

/// How the trits of an I2_S tensor lie in its bytes. Nothing in a file says which, and all of them
/// are valid codes: a file read in the wrong order gives nonsense.
public enum I2SOrder: String, Sendable, Hashable, CaseIterable {
    /// Blocks of 128 weights in 32 bytes: published files, and everything converters write.
    case a
    /// Blocks of 64 weights in 16 bytes: files that Microsoft's `llama-quantize` has written on
    /// arm64 since November 2025.
    case b
    /// Four rows to a byte: files that it has written on x86-64 when built without
    /// `ACT_PARALLEL`.
    case c

    var kernelOrder: tk_i2s_order {
        switch self {
        case .a: TK_I2S_A
        case .b: TK_I2S_B
        case .c: TK_I2S_C
        }
    }
}

extension Codec {
    /// Decodes Q2_0 blocks and their scales.
    static func decodeQ2(
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

    /// Decodes Q4_0 or Q5_0 blocks that were made from ternary weights, undoing the encoder's
    /// clipping; false where they were not.
    static func decodeClippedTernary(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into values: BufferView<Float>
    ) -> Bool {
        precondition(type == .q4_0 || type == .q5_0)
        precondition(bytes.count >= values.count / type.block.elements * type.block.bytes)
        guard let start = bytes.baseAddress else { return false }
        return tk_decode_clipped_ternary(type.kernelType, start, values.count, values.base)
    }

    /// Encodes trits with one scale in blocks of Q8_0 or Q6_K.
    static func encodeTernaryBlocks(
        _ type: ElementType, _ trits: BufferView<Int8>, scale: Float, into bytes: BufferView<UInt8>
    ) {
        precondition(type == .q8_0 || type == .q6_K)
        let block = type.block
        precondition(trits.count % block.elements == 0)
        precondition(bytes.count >= trits.count / block.elements * block.bytes)
        tk_encode_ternary_blocks(type.kernelType, trits.base, trits.count, scale, bytes.base)
    }

    /// The scales of TQ1_0, TQ2_0 or Q2_0 blocks.
    static func blockScales(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, into scales: BufferView<Float>
    ) {
        let block = type.block
        precondition(bytes.count >= scales.count * block.bytes)
        guard let start = bytes.baseAddress else { return }
        tk_block_scales(type.kernelType, start, scales.count * block.elements, scales.base)
    }

    /// Trits times a scale.
    static func scale(_ trits: BufferView<Int8>, by scale: Float, into y: BufferView<Float>) {
        precondition(trits.count == y.count)
        tk_scale_trits(trits.base, trits.count, scale, y.base)
    }

    /// `magnitudes` of every `block` elements of x.
    static func magnitudes(
        _ x: BufferView<Float>, block: Int, smallest: BufferView<Float>, largest: BufferView<Float>
    ) {
        let count = (x.count + block - 1) / block
        precondition(block > 0 && smallest.count >= count && largest.count >= count)
        tk_block_magnitudes(x.base, x.count, block, smallest.base, largest.base)
    }

    /// The signs of x.
    static func signs(_ x: BufferView<Float>, into trits: BufferView<Int8>) {
        precondition(trits.count == x.count)
        tk_signs(x.base, x.count, trits.base)
    }

    /// How many trits are 0.
    static func zeros(_ trits: BufferView<Int8>) -> Int { tk_count_zeros(trits.base, trits.count) }

    /// The sum of up to 2^23 int8 values.
    static func sum(_ q: BufferView<Int8>) -> Int32 { tk_sum(q.base, q.count) }
}

/// The squared error of storing weights, relative to the squared weights.
struct StorageError: Sendable {
    private var error = 0.0
    private var total = 0.0

    /// Adds what became of `x`.
    mutating func add(_ x: BufferView<Float>, storedAs y: BufferView<Float>) {
        precondition(x.count == y.count)
        tk_squared_error(x.base, y.base, x.count, &error, &total)
    }

    mutating func add(_ other: StorageError) {
        error += other.error
        total += other.total
    }

    /// 0 for exact storage.
    var relative: Double { total > 0 ? error / total : 0 }
}
