extension TernarySource {
    /// A scale is the magnitude of the weights: every writer stores a mean or a maximum of
    /// magnitudes, so that a negative one is damage. Zero is the scale of a matrix of zeros.
    func check(_ scales: [Float]) throws(BitNetError) {
        if let odd = scales.first(where: { !($0.isFinite && $0 >= 0) }) {
            throw corrupt("a scale is \(odd); the file is damaged")
        }
    }

    /// The scales of blocks or rows, as few as describe the matrix exactly.
    func blockPlan(_ codes: ByteRegion) throws(BitNetError) -> TernaryPlan {
        let hasRowScales = tensor.type.hasRowScales
        let size = hasRowScales ? columns : tensor.type.block.elements
        guard columns % size == 0 else {
            throw .shapeMismatch(
                tensor: tensor.name, expected: [rows, (columns + size - 1) / size * size],
                found: tensor.shape)
        }
        let scales = try AlignedBuffer<Float>(count: rows * columns / size, purpose: tensor.name)
        codes.withUnsafeBytes {
            hasRowScales
                ? Codec.rowScales(tensor.type, $0, columns: columns, into: scales.view)
                : Codec.blockScales(tensor.type, $0, into: scales.view)
        }
        let values = scales.array
        try check(values)
        return TernaryPlan(
            scale: .fewest(inModelOrder(values), rows: rows, columns: columns), codes: codes,
            blockScales: scales)
    }

    /// Rows of values in the order of the model's rows.
    func inModelOrder(_ values: [Float]) -> [Float] {
        guard interleavedHeads > 0, rows > 0 else { return values }
        let (head, width) = (rows / interleavedHeads, values.count / rows)
        var ordered: [Float] = []
        ordered.reserveCapacity(values.count)
        for row in 0..<rows {
            let source = row / head * head + HeadInterleaving.fileRow(of: row % head, head: head)
            ordered += values[source * width..<(source + 1) * width]
        }
        return ordered
    }

    /// The numbers of the scale tensor, as they are in the file; none where there is no such tensor.
    func storedScales() throws(BitNetError) -> [Float] {
        guard let scaleTensor else { return [] }
        let stored = try scaleTensor.floats()
        try check(stored)
        return stored
    }

    /// The scales together with those of the scale tensor.
    func multiplied(_ scale: TernaryScale) throws(BitNetError) -> TernaryScale {
        guard let scaleTensor else {
            guard tensor.type != .packedTernary else {
                throw .missingTensor(path: tensor.region.path, tensor: "\(tensor.name)_scale")
            }
            return scale
        }
        let stored = try storedScales()
        guard stored.count == 1 || stored.count == rows else {
            throw .shapeMismatch(
                tensor: scaleTensor.name, expected: [1], found: scaleTensor.shape)
        }
        let factors = inModelOrder(direction == .divide ? stored.map { 1 / $0 } : stored)
        try check(factors)
        let product = scale.multiplied(by: factors)
        try check(product.values)
        return product
    }
}

extension TernaryScale {
    /// The fewest scales that say the same as `values`, `[rows, n]`: one for each of n equal parts of
    /// every row, 0 where a part holds zeros only, for which any scale will do.
    static func fewest(_ values: [Float], rows: Int, columns: Int) -> TernaryScale {
        let n = values.count / rows
        if let common = commonScale(values[...]) { return .perTensor(common) }
        // From whole rows down to the parts themselves, which always fit.
        for parts in 1...n where n % parts == 0 {
            let width = n / parts
            var scales: [Float] = []
            scales.reserveCapacity(rows * parts)
            for start in stride(from: 0, to: values.count, by: width) {
                guard let common = commonScale(values[start..<start + width]) else { break }
                scales.append(common)
            }
            guard scales.count == rows * parts else { continue }
            return parts == 1 ? .perRow(scales) : .perGroup(size: columns / parts, scales)
        }
        return .perGroup(size: columns / n, values)
    }

    /// The one value other than 0, or 0; nil where there are several.
    private static func commonScale(_ values: ArraySlice<Float>) -> Float? {
        var common: Float = 0
        for value in values where value != 0 {
            if common != 0 && value != common { return nil }
            common = value
        }
        return common
    }

    /// The scales times one factor, or times one for each row.
    func multiplied(by factors: [Float]) -> TernaryScale {
        switch self {
        case .perTensor(let base):
            return factors.count == 1
                ? .perTensor(base * factors[0]) : .perRow(factors.map { base * $0 })
        case .perRow(let values):
            return .perRow(TernaryScale.products(values, factors, width: 1))
        case .perGroup(let size, let values):
            let width = max(1, values.count / max(1, factors.count))
            return .perGroup(size: size, TernaryScale.products(values, factors, width: width))
        }
    }

    private static func products(_ values: [Float], _ factors: [Float], width: Int) -> [Float] {
        values.indices.map { values[$0] * factors[factors.count == 1 ? 0 : $0 / width] }
    }
}
