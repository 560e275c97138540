// Ternary matrices that are stored as floats: exactly ternary ones, and master weights.
extension TernarySource {
    /// Columns whose magnitudes are compared first. Every group of a known model is a multiple.
    private static let unit = 32

    /// Finds the scales of float weights, or how to round them.
    func floatPlan(_ pool: WorkerPool) throws(BitNetError) -> TernaryPlan {
        guard tensor.type.isFloatLike else { throw notTernaryType }
        guard columns % tensor.type.block.elements == 0 else {
            throw .shapeMismatch(
                tensor: tensor.name, expected: [rows, columns], found: tensor.shape)
        }
        if masters != .round, let scale = try exactScale(pool) {
            return TernaryPlan(scale: scale)
        }
        let mean = try absoluteMean(pool)
        let g = 1 / max(mean, 1e-5)
        var plan = TernaryPlan(scale: .perTensor(1 / g), g: g)
        let isPlain = [.f32, .f16, .bf16].contains(tensor.type)
        let isAnnounced = masters == .round || (masters == .keepTernary && isPlain)
        if isAnnounced { return plan }
        plan.roundingError = try roundingError(g: g, pool)
        guard masters == .approximate else {
            throw .notTernary(tensor: tensor.name, relativeError: plan.roundingError)
        }
        return plan
    }

    private var notTernaryType: BitNetError {
        .unsupportedFormat(
            path: tensor.region.path,
            detail: "tensor \(tensor.name.quoted) is \(tensor.type.rawValue), which is not ternary",
            remedy: "ternary matrices are I2_S, TQ1_0, TQ2_0, Q2_0, IQ1_BN, IQ2_BN, or floats")
    }

    /// The scales of weights that have one magnitude in every row or group; nil for other weights.
    private func exactScale(_ pool: WorkerPool) throws(BitNetError) -> TernaryScale? {
        let unit = columns % TernarySource.unit == 0 ? TernarySource.unit : columns
        let parts = columns / unit
        let smallest = try AlignedBuffer<Float>(count: rows * parts, purpose: tensor.name)
        let largest = try AlignedBuffer<Float>(count: rows * parts, purpose: tensor.name)
        try forEachChunk(pool) { (chunk) throws(BitNetError) in
            for row in chunk.rows {
                decodeFloats(row, of: chunk)
                let place = row * parts..<(row + 1) * parts
                Codec.magnitudes(
                    chunk.floats, block: unit, smallest: smallest.view[place],
                    largest: largest.view[place])
            }
        }
        let (low, high) = (smallest.array, largest.array)
        guard high.allSatisfy(\.isFinite) else { throw corrupt("a weight is not a finite number") }
        guard zip(low, high).allSatisfy({ $0 == $1 || $1 == 0 }) else { return nil }
        return .fewest(inModelOrder(high), rows: rows, columns: columns)
    }

    private func absoluteMean(_ pool: WorkerPool) throws(BitNetError) -> Float {
        let sums = try AlignedBuffer<Double>(count: rows, purpose: tensor.name)
        try forEachChunk(pool) { (chunk) throws(BitNetError) in
            for row in chunk.rows {
                decodeFloats(row, of: chunk)
                sums.view[row] = Codec.absoluteSum(chunk.floats)
            }
        }
        // A sum is finite in double only if no weight is infinite or NaN.
        guard sums.array.allSatisfy(\.isFinite) else {
            throw corrupt("a weight is not a finite number")
        }
        return Float(sums.array.reduce(0, +) / Double(rows * columns))
    }

    /// Squared error of rounding, relative to the squared weights.
    func roundingError(g: Float, _ pool: WorkerPool) throws(BitNetError) -> Double {
        let errors = try AlignedBuffer<StorageError>(count: rows, purpose: tensor.name)
        try forEachChunk(pool) { (chunk) throws(BitNetError) in
            let rounded = try AlignedBuffer<Float>(count: columns, purpose: tensor.name)
            let row = chunk.trits[0..<columns]
            for index in chunk.rows {
                decodeFloats(index, of: chunk)
                Codec.ternarize(chunk.floats, g: g, into: row)
                Codec.scale(row, by: 1 / g, into: rounded.view)
                errors.view[index].add(chunk.floats, storedAs: rounded.view)
            }
        }
        var error = StorageError()
        for row in errors.array { error.add(row) }
        return error.relative
    }
}
