public import Foundation

extension TensorDump {
    /// Reads rows of a tensor of a GGUF file or a Hugging Face folder.
    ///
    /// - Parameters:
    ///   - url: what `BitNetModel.load(_:options:progress:)` takes.
    ///   - name: the tensor's name in the file.
    ///   - rows: rows of the matrix that is meant, in the order of the file; a vector is one row.
    ///   - i2sOrder: how the codes of an I2_S tensor lie in their bytes.
    /// - Throws: `BitNetError`: `.missingTensor` with the names that are most alike,
    ///   `.invalidArgument` for rows that are not there or too many at once, and what reading a file
    ///   can throw.
    public static func read(
        _ url: URL, tensor name: String, rows: Range<Int> = 0..<1, i2sOrder: I2SOrder = .a
    ) throws(BitNetError) -> TensorDump {
        let checkpoint = try Checkpoint(opening: url.path)
        return try checkpoint.reading { () throws(BitNetError) in
            try DumpReader(checkpoint, name, i2sOrder).read(rows)
        }
    }
}

/// Reads one tensor.
private struct DumpReader {
    let checkpoint: Checkpoint
    let tensor: CheckpointTensor
    let order: I2SOrder
    let layout: GroupLayout
    /// Of the matrix that is meant.
    let rowCount, columns: Int
    /// What a tensor of its own multiplies the scales by, one factor or one a row; nil where a scale
    /// is needed and not there.
    let factors: [Float]?
    let note: String?

    init(
        _ checkpoint: Checkpoint, _ name: String, _ order: I2SOrder
    ) throws(BitNetError) {
        guard let tensor = checkpoint.tensor(named: name) else {
            throw .invalidArgument(
                name: "tensor",
                detail: "\(checkpoint.path) has no '\(name)'"
                    + checkpoint.suggestion(for: name))
        }
        let shape = tensor.meantShape
        let columns = shape.last ?? 1
        guard shape.count <= 2, tensor.elementCount > 0 else {
            throw .invalidArgument(
                name: "tensor", detail: "'\(name)' \(shape) is no vector or matrix with elements")
        }
        self.checkpoint = checkpoint
        self.tensor = tensor
        self.order = order
        layout = GroupLayout(tensor.type, columns: columns, order: order)
        self.columns = columns
        rowCount = shape.count == 2 ? shape[0] : 1
        let found = try checkpoint.factors(of: tensor)
        factors = found.factors
        note = found.note
    }

    func read(_ rows: Range<Int>) throws(BitNetError) -> TensorDump {
        guard rows.lowerBound >= 0, rows.upperBound <= rowCount, !rows.isEmpty else {
            throw .invalidArgument(
                name: "rows",
                detail: "\(rows.lowerBound)..<\(rows.upperBound) of '\(tensor.name)', which has "
                    + "rows 0..<\(rowCount)")
        }
        guard rows.count <= TensorDump.mostWeights / columns || rows.count == 1 else {
            throw .invalidArgument(
                name: "rows",
                detail:
                    "\(counted(rows.count, "row")) of \(counted(columns, "weight")) are more than "
                    + "\(TensorDump.mostWeights) at once; ask for fewer")
        }
        var groups: [TensorDump.Group] = []
        for place in try places(of: rows) { groups.append(try group(place)) }
        return TensorDump(
            path: tensor.region.path, tensor: tensor.name, type: tensor.type.rawValue,
            shape: tensor.meantShape, rows: rows, code: layout.code,
            layout: [layout.words, note].compactMap(\.self).joined(separator: " "),
            places: layout.places, groups: groups)
    }

    /// A group before it is read.
    private struct Place {
        /// In the tensor.
        let bytes: Range<Int>
        let runs: [TensorDump.Run]
        /// Where its scale is, in the tensor, if anywhere.
        var scale: [Range<Int>] = []
    }
}

// MARK: - Where groups are

extension DumpReader {
    private func places(of rows: Range<Int>) throws(BitNetError) -> [Place] {
        switch tensor.type {
        case .packedTernary:
            let high = rowCount / 4
            let byteRows = rows.count >= high ? Set(0..<high) : Set(rows.map { $0 % high })
            return byteRows.sorted().flatMap { row in
                fourRows((0..<4).map { row + $0 * high }, firstByte: row * columns, scale: [])
            }
        case .i2_s where order == .c:
            let scale = rowCount * columns / 4
            return (rows.lowerBound / 4...(rows.upperBound - 1) / 4).flatMap { group in
                fourRows(
                    (0..<4).map { group * 4 + $0 }, firstByte: group * columns,
                    scale: [scale..<scale + 4])
            }
        case .iq2_bn_r4:
            let width = columns / 64 * 64 + 16
            return (rows.lowerBound / 4...(rows.upperBound - 1) / 4).flatMap { group in
                fourRows(
                    (0..<4).map { group * 4 + $0 }, firstByte: group * width + 16,
                    scale: (0..<4).map { group * width + 4 * $0..<group * width + 4 * $0 + 4 })
            }
        case .iq1_bn, .iq2_bn: return rows.flatMap(rowWithScale)
        default: return flat(rows)
        }
    }

    /// Groups of one column, or a few, of four rows.
    private func fourRows(_ rows: [Int], firstByte: Int, scale: [Range<Int>]) -> [Place] {
        let width = layout.weightCount / 4
        return stride(from: 0, to: columns, by: width).map { column in
            let count = min(width, columns - column)
            let start = firstByte + column / width * layout.byteCount
            return Place(
                bytes: start..<start + count * layout.byteCount / width,
                runs: rows.map { .init(row: $0, column: column, count: count) }, scale: scale)
        }
    }

    private func rowWithScale(_ row: Int) -> [Place] {
        let (head, blocks) = (tensor.type.rowBytes, columns / 64)
        let start = row * (head + blocks * layout.byteCount)
        return (0..<blocks).map { block in
            let first = start + head + block * layout.byteCount
            return Place(
                bytes: first..<first + layout.byteCount,
                runs: [.init(row: row, column: block * 64, count: 64)],
                scale: [start..<start + head])
        }
    }

    /// Groups of weights in the order of the matrix, which may begin in one row and end in another.
    private func flat(_ rows: Range<Int>) -> [Place] {
        let (size, total) = (layout.weightCount, rowCount * columns)
        let wanted = rows.lowerBound * columns..<rows.upperBound * columns
        return (wanted.lowerBound / size...(wanted.upperBound - 1) / size).map { index in
            let weights = index * size..<min((index + 1) * size, total)
            var runs: [TensorDump.Run] = []
            var next = weights.lowerBound
            while next < weights.upperBound {
                let (row, column) = next.quotientAndRemainder(dividingBy: columns)
                let count = min(columns - column, weights.upperBound - next)
                runs.append(.init(row: row, column: column, count: count))
                next += count
            }
            let start = index * layout.byteCount
            let end = start + layout.byteCount * weights.count / size
            let codes = total / 4
            return Place(
                bytes: start..<end, runs: runs,
                scale: tensor.type == .i2_s
                    ? [codes..<codes + 4]
                    : layout.scaleBytes.isEmpty
                        ? []
                        : [
                            start + layout.scaleBytes.lowerBound..<start
                                + layout.scaleBytes.upperBound
                        ])
        }
    }
}

// MARK: - What is in them

extension DumpReader {
    private func group(_ place: Place) throws(BitNetError) -> TensorDump.Group {
        let bytes = try tensor.region.slice(place.bytes).bytes
        let offset = tensor.region.range.lowerBound + place.bytes.lowerBound
        guard let code = layout.code else {
            return TensorDump.Group(
                offset: offset, bytes: bytes, runs: place.runs, trits: [], scales: [],
                values: values(bytes))
        }
        let trits = trits(of: bytes, code, count: place.runs.reduce(0) { $0 + $1.count })
        let scales = try scales(place)
        var values: [Float?] = []
        var start = 0
        for (run, scale) in zip(place.runs, scales) {
            values += trits[start..<start + run.count].map { trit in
                guard let trit, let scale else { return nil }
                return trit == 0 ? 0 : (Float(trit) * scale).finite
            }
            start += run.count
        }
        return TensorDump.Group(
            offset: offset, bytes: bytes, runs: place.runs, trits: trits, scales: scales,
            values: values)
    }

    private func trits(of bytes: [UInt8], _ code: TritCode, count: Int) -> [Int8?] {
        var trits = [Int8?](repeating: nil, count: count)
        guard let places = layout.places(of: count, bytes: bytes.count, tensor.type, order) else {
            return trits
        }
        for (byte, held) in zip(bytes, places) {
            let all = code.trits(of: byte)
            // Where a byte holds four of five, the digit that is left is 0.
            let isOdd = !held.isEmpty && all.dropFirst(held.count).contains { $0 != -1 }
            for (place, trit) in zip(held, all) where !isOdd { trits[place] = trit }
        }
        return trits
    }

    /// A scale for each run.
    private func scales(_ place: Place) throws(BitNetError) -> [Float?] {
        var own: [Float] = []
        for range in place.scale {
            let bytes = try tensor.region.slice(range).bytes
            let bits = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            own.append(bytes.count == 2 ? Float(half: UInt16(bits)) : Float(bitPattern: bits))
        }
        guard let factors else { return place.runs.map { _ in nil } }
        return place.runs.enumerated().map { index, run in
            let scale = own.isEmpty ? 1 : own[own.count == 1 ? 0 : index]
            let factor = factors.isEmpty ? 1 : factors[factors.count == 1 ? 0 : run.row]
            return (scale * factor).finite
        }
    }

    private func values(_ bytes: [UInt8]) -> [Float?] {
        let size = tensor.type.block.bytes
        func integer(at start: Int) -> Int64 {
            bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | Int64($1) }
        }
        let starts = stride(from: 0, to: bytes.count, by: size)
        switch tensor.type {
        case .i8: return bytes.map { Float(Int8(bitPattern: $0)) }
        case .i32: return starts.map { Float(Int32(truncatingIfNeeded: integer(at: $0))) }
        case .i64: return starts.map { Float(integer(at: $0)) }
        default: break
        }
        let count = bytes.count / size * tensor.type.block.elements
        guard let buffer = try? AlignedBuffer<Float>(count: count, purpose: tensor.name) else {
            return []
        }
        bytes.withUnsafeBytes { Codec.decode(tensor.type, $0, into: buffer.view) }
        return buffer.array.prefix(count).map(\.finite)
    }
}

extension Float {
    fileprivate var finite: Float? { isFinite ? self : nil }
}
