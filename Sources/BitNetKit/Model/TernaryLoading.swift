internal import Synchronization

/// A ternary matrix in a file, before it is packed: knows how to read rows of trits from every
/// format, and where the scales are.
struct TernarySource {
    let tensor: CheckpointTensor
    let rows: Int
    let columns: Int
    /// The tensor that holds the scale, where that is one of its own.
    let scaleTensor: CheckpointTensor?
    let direction: ModelConfiguration.ScaleDirection
    let masters: MasterWeights
    /// Heads whose rows a GGUF converter has interleaved, or 0.
    let interleavedHeads: Int
}

/// What to do with a ternary matrix that is stored as floats.
enum MasterWeights: Sendable {
    /// Round by the absolute mean, whatever the matrix holds: what transformers does online.
    case round
    /// Keep the magnitude of weights that are ternary already, round others: GGUF files, where
    /// converters have written both.
    case keepTernary
    /// Refuse weights that are not ternary.
    case requireTernary
}

extension TernarySource {
    /// Packs the matrix, all threads at once.
    ///
    /// - Throws: `BitNetError.corruptTensor` for codes that are no trits, `.notTernary`,
    ///   `.unsupportedFormat`, `.shapeMismatch`.
    func pack(layout: TernaryLayout, pool: WorkerPool) throws(BitNetError) -> TernaryMatrix {
        let logicalShape =
            tensor.type == .packedTernary ? [(rows + 3) / 4, columns] : [rows, columns]
        guard tensor.shape == logicalShape, tensor.type != .packedTernary || rows % 4 == 0 else {
            throw .shapeMismatch(tensor: tensor.name, expected: logicalShape, found: tensor.shape)
        }
        guard tensor.type != .i2_s || rows * columns % 128 == 0 else {
            // The last weights of such a tensor lie where its scale is: no writer is known.
            throw .unsupportedFormat(
                path: tensor.region.path,
                detail: "tensor '\(tensor.name)' \(tensor.shape) is no whole number of I2_S blocks",
                remedy: "I2_S holds 128 weights a block; convert it to another type")
        }
        let rounding = try isMaster ? masterRounding(pool) : nil
        let blockScales = try isBlockwise ? blockScaleBuffer() : nil
        let packed = try PackedTrits(rows: rows, columns: columns, layout: layout)
        try forEachChunk(pool) { (range, trits, floats) throws(BitNetError) in
            try decode(
                range, into: trits, floats: floats, g: rounding?.g ?? 1,
                blockScales: blockScales?.view)
            packed.pack(trits, rows: range)
        }
        tensor.region.release()
        return try TernaryMatrix(
            packed, scale: try scale(beta: rounding?.beta, blockScales: blockScales))
    }

    private var isMaster: Bool { [.f32, .f16, .bf16].contains(tensor.type) }
    private var isBlockwise: Bool { [.tq1_0, .tq2_0].contains(tensor.type) }

    private func corrupt(_ detail: String) -> BitNetError {
        .corruptTensor(tensor: tensor.name, detail: detail)
    }

    /// Runs `body` on chunks of rows, whole tiles and whole heads, with scratch for the chunk's trits
    /// and for one row of floats.
    private func forEachChunk(
        _ pool: WorkerPool,
        _ body: (Range<Int>, BufferView<Int8>, BufferView<Float>) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let chunk = interleavedHeads > 0 ? rows / interleavedHeads : 64
        let failure = Mutex<BitNetError?>(nil)
        pool.parallel(rows, granule: chunk, work: rows * columns * elementWork) { _, range in
            do throws(BitNetError) {
                let trits = try AlignedBuffer<Int8>(count: chunk * columns, purpose: tensor.name)
                let floats = try AlignedBuffer<Float>(count: columns, purpose: tensor.name)
                for begin in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                    let part = begin..<min(begin + chunk, range.upperBound)
                    try body(part, trits.view[0..<part.count * columns], floats.view)
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

// MARK: - Trits

extension TernarySource {
    /// Decodes rows `range` to trits, in the model's order.
    private func decode(
        _ range: Range<Int>, into trits: BufferView<Int8>, floats: BufferView<Float>, g: Float,
        blockScales: BufferView<Float>?
    ) throws(BitNetError) {
        var bad: Int?
        switch tensor.type {
        case .i2_s:
            bad = tensor.region.withUnsafeBytes {
                Codec.decodeI2S(
                    $0, columns: columns,
                    range: range.lowerBound * columns..<range.upperBound * columns, into: trits)
            }
        case .packedTernary:
            bad = tensor.region.withUnsafeBytes {
                Codec.decodeHuggingFace($0, rows: rows, columns: columns, range: range, into: trits)
            }
        case .tq1_0, .tq2_0:
            guard let blockScales else { return }
            let blocks = range.lowerBound * columns / 256..<range.upperBound * columns / 256
            bad = try rowBytes(range).withUnsafeBytes {
                Codec.decodeTQ(tensor.type, $0, into: trits, scales: blockScales[blocks])
            }.map { $0 + range.lowerBound * columns }
            // Weights too small for a float16 scale are zeros, whatever their codes.
            for (index, block) in blocks.enumerated() where blockScales[block] == 0 {
                trits[index * 256..<(index + 1) * 256].fill(0)
            }
        case .f32, .f16, .bf16:
            for row in range {
                try decodeFloats(row, into: floats)
                let target = (row - range.lowerBound) * columns
                Codec.ternarize(floats, g: g, into: trits[target..<target + columns])
            }
        default:
            throw .unsupportedFormat(
                path: tensor.region.path,
                detail: "tensor '\(tensor.name)' is \(tensor.type.rawValue), which is not ternary",
                remedy: "ternary matrices are I2_S, TQ1_0, TQ2_0, or F16, BF16, F32 masters")
        }
        if let bad {
            throw corrupt("weight \(bad) has a code that is no trit; the file is damaged")
        }
        if interleavedHeads > 0 { HeadInterleaving.undo(trits, columns: columns) }
    }

    /// Bytes of some rows of a tensor of whole-row blocks.
    private func rowBytes(_ range: Range<Int>) throws(BitNetError) -> ByteRegion {
        let block = tensor.type.block
        let bytes = columns / block.elements * block.bytes
        return try tensor.region.slice(range.lowerBound * bytes..<range.upperBound * bytes)
    }

    private func decodeFloats(_ row: Int, into floats: BufferView<Float>) throws(BitNetError) {
        try rowBytes(row..<row + 1).withUnsafeBytes { Codec.decode(tensor.type, $0, into: floats) }
    }
}

// MARK: - Scales

extension TernarySource {
    private func scale(
        beta: Float?, blockScales: AlignedBuffer<Float>?
    ) throws(BitNetError) -> TernaryScale {
        var scale: TernaryScale
        if let blockScales {
            scale = try groupedScale(blockScales.view)
        } else if tensor.type == .i2_s {
            let bytes = try tensor.region.slice(rows * columns / 4..<rows * columns / 4 + 4)
            scale = .perTensor(Float(bitPattern: try bytes.integer(at: 0)))
        } else {
            scale = .perTensor(beta ?? 1)
        }
        guard let scaleTensor else {
            guard tensor.type != .packedTernary else {
                throw .missingTensor(path: tensor.region.path, tensor: "\(tensor.name)_scale")
            }
            return try checked(scale)
        }
        let stored = try scaleTensor.floats()
        try check(stored)
        let factors = direction == .divide ? stored.map { 1 / $0 } : stored
        let isPerRow = factors.count == rows && interleavedHeads == 0
        guard case .perTensor(let base) = scale, factors.count == 1 || isPerRow else {
            throw .shapeMismatch(
                tensor: scaleTensor.name, expected: [1], found: scaleTensor.shape)
        }
        scale =
            factors.count == 1
            ? .perTensor(base * factors[0]) : .perRow(factors.map { base * $0 })
        return try checked(scale)
    }

    private func checked(_ scale: TernaryScale) throws(BitNetError) -> TernaryScale {
        try check(scale.values)
        return scale
    }

    /// A scale is the magnitude of the weights: every writer stores a mean or a maximum of
    /// magnitudes, so that a negative one is damage. Zero is the scale of a matrix of zeros.
    private func check(_ scales: [Float]) throws(BitNetError) {
        if let odd = scales.first(where: { !($0.isFinite && $0 >= 0) }) {
            throw corrupt("a scale is \(odd); the file is damaged")
        }
    }

    private func blockScaleBuffer() throws(BitNetError) -> AlignedBuffer<Float> {
        guard columns % 256 == 0 else {
            throw .shapeMismatch(
                tensor: tensor.name, expected: [rows, (columns + 255) / 256 * 256],
                found: tensor.shape)
        }
        return try AlignedBuffer(count: rows * columns / 256, purpose: tensor.name)
    }

    /// One scale where all blocks that hold anything agree (an all-zero block stores 0), else one
    /// for each block.
    private func groupedScale(_ blocks: BufferView<Float>) throws(BitNetError) -> TernaryScale {
        let values = blocks.array
        try check(values)
        guard let first = values.first(where: { $0 != 0 }) else { return .perTensor(0) }
        if values.allSatisfy({ $0 == first || $0 == 0 }) { return .perTensor(first) }
        guard interleavedHeads == 0 else {
            throw .unsupportedFormat(
                path: tensor.region.path,
                detail: "tensor '\(tensor.name)' has interleaved rows and several scales",
                remedy: "convert it from the original checkpoint with `bitnet convert`")
        }
        return .perGroup(size: 256, values)
    }

    /// `g` that rounds master weights and `beta` that scales the trits back.
    /// Weights that are exactly ternary keep their own magnitude, unless the checkpoint is to be
    /// rounded by its absolute mean whatever it holds, as transformers does.
    private func masterRounding(
        _ pool: WorkerPool
    ) throws(BitNetError) -> (g: Float, beta: Float) {
        let sums = try AlignedBuffer<Double>(count: rows, purpose: tensor.name)
        let smallest = try AlignedBuffer<Float>(count: rows, purpose: tensor.name)
        let largest = try AlignedBuffer<Float>(count: rows, purpose: tensor.name)
        try forEachChunk(pool) { (range, _, floats) throws(BitNetError) in
            for row in range {
                try decodeFloats(row, into: floats)
                sums.view[row] = Codec.absoluteSum(floats)
                (smallest.view[row], largest.view[row]) = Codec.magnitudes(floats)
            }
        }
        let top = largest.array.max() ?? 0
        guard top.isFinite, sums.array.allSatisfy(\.isFinite) else {
            throw corrupt("a weight is not a finite number")
        }
        let mean = Float(sums.array.reduce(0, +) / Double(rows * columns))
        let isExact = top > 0 && smallest.array.min() == top
        if isExact && masters != .round { return (1 / top, top) }
        let g = 1 / max(mean, 1e-5)
        if masters == .requireTernary && top > 0 {
            throw .notTernary(tensor: tensor.name, relativeError: try roundingError(g: g))
        }
        return (g, 1 / g)
    }

    /// Squared error of rounding, relative to the squared weights.
    private func roundingError(g: Float) throws(BitNetError) -> Double {
        let floats = try AlignedBuffer<Float>(count: columns, purpose: tensor.name)
        let trits = try AlignedBuffer<Int8>(count: columns, purpose: tensor.name)
        var error = 0.0
        var total = 0.0
        for row in 0..<rows {
            try decodeFloats(row, into: floats.view)
            Codec.ternarize(floats.view, g: g, into: trits.view)
            for column in 0..<columns {
                let weight = Double(floats.view[column])
                let rounded = Double(trits.view[column]) / Double(g)
                error += (weight - rounded) * (weight - rounded)
                total += weight * weight
            }
        }
        return total > 0 ? error / total : 0
    }
}
