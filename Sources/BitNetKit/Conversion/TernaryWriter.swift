/// Writes one ternary matrix to a GGUF file, a few rows at a time.
struct TernaryWriter {
    let matrix: TernaryMatrix
    let info: AnnouncedTensor
    /// Heads whose rows the file interleaves, or 0.
    let heads: Int
    /// The source, for errors.
    let path: String

    /// What became of the matrix.
    struct Result {
        /// The largest scale as the file holds it.
        var scale: Float
        var zeroShare: Double
        var relativeError: Double
    }

    /// Columns that are encoded with one scale.
    private var groupColumns: Int { matrix.trits.groupColumns }
    private var columns: Int { matrix.columns }

    func write(
        to writer: inout GGUFWriter, pool: WorkerPool
    ) throws(BitNetError) -> Result {
        let stored = try storedScales()
        // Whole heads, and whole 128-weight blocks.
        let chunk = heads > 0 ? matrix.rows / heads : 128
        let trits = try AlignedBuffer<Int8>(count: chunk * columns, purpose: info.name)
        let bytes = try AlignedBuffer<UInt8>(
            count: byteCount(rows: chunk), purpose: info.name)
        let floats = try AlignedBuffer<Float>(count: chunk * groupColumns, purpose: info.name)
        var zeros = 0
        var squares = (error: 0.0, total: 0.0)
        for begin in stride(from: 0, to: matrix.rows, by: chunk) {
            if Task.isCancelled { throw .cancelled }
            let rows = begin..<min(begin + chunk, matrix.rows)
            let part = trits.view[0..<rows.count * columns]
            matrix.trits.unpack(rows: rows, into: part)
            for row in rows {
                let start = (row - begin) * columns
                add(&squares, &zeros, row, part[start..<start + columns], stored)
            }
            if heads > 0 { HeadInterleaving.apply(to: part, columns: columns) }
            let encoded = bytes.view[0..<byteCount(rows: rows.count)]
            encode(part, rows: rows, stored, scratch: floats.view, into: encoded, pool: pool)
            try writer.append(encoded.array, to: info.name)
        }
        let largest = stored.max() ?? 0
        if info.type == .i2_s { try writer.appendI2SScale(largest, to: info.name) }
        return Result(
            scale: largest, zeroShare: Double(zeros) / Double(matrix.rows * columns),
            relativeError: squares.total > 0 ? squares.error / squares.total : 0)
    }

    private func byteCount(rows: Int) -> Int {
        if info.type == .i2_s { return rows * columns / 4 }
        return rows * columns / info.type.block.elements * info.type.block.bytes
    }

    /// Adds the squared error of a row's rounded scales, and its zeros.
    private func add(
        _ squares: inout (error: Double, total: Double), _ zeros: inout Int, _ row: Int,
        _ trits: BufferView<Int8>, _ stored: [Float]
    ) {
        for group in 0..<matrix.trits.groupCount {
            let part = trits[group * groupColumns..<(group + 1) * groupColumns]
            let empty = Codec.zeros(part)
            zeros += empty
            let count = Double(part.count - empty)
            let index = scaleIndex(row: row, group: group)
            let scale = Double(matrix.scale.values[index])
            let difference = Double(stored[index]) - scale
            squares.error += count * difference * difference
            squares.total += count * scale * scale
        }
    }

    /// Where the scale of a row's group is among `TernaryScale.values`.
    private func scaleIndex(row: Int, group: Int) -> Int {
        switch matrix.scale {
        case .perTensor: 0
        case .perRow: row
        case .perGroup: row * matrix.trits.groupCount + group
        }
    }
}

// MARK: - Encoding

extension TernaryWriter {
    /// Encodes some rows, in the file's order, all threads at once.
    private func encode(
        _ trits: BufferView<Int8>, rows: Range<Int>, _ stored: [Float],
        scratch: BufferView<Float>, into bytes: BufferView<UInt8>, pool: WorkerPool
    ) {
        guard info.type != .i2_s else { return Codec.encodeI2S(trits, into: bytes) }
        let block = info.type.block
        let width = groupColumns / block.elements * block.bytes
        pool.parallel(rows.count, work: rows.count * columns) { _, part in
            for row in part {
                for group in 0..<matrix.trits.groupCount {
                    let start = row * columns + group * groupColumns
                    let target = (row * matrix.trits.groupCount + group) * width
                    let scale = stored[
                        scaleIndex(row: modelRow(rows.lowerBound + row), group: group)]
                    encode(
                        trits[start..<start + groupColumns], scale: scale,
                        scratch: scratch[row * groupColumns..<(row + 1) * groupColumns],
                        into: bytes[target..<target + width])
                }
            }
        }
    }

    private func encode(
        _ trits: BufferView<Int8>, scale: Float, scratch: BufferView<Float>,
        into bytes: BufferView<UInt8>
    ) {
        switch info.type {
        case .tq1_0, .tq2_0:
            Codec.encodeTQ(info.type, trits, scale: scale, into: bytes)
        case .q8_0, .q6_K:
            Codec.encodeTernaryBlocks(info.type, trits, scale: scale, into: bytes)
        default:
            Codec.scale(trits, by: scale, into: scratch)
            Codec.encode(info.type, scratch, into: bytes)
        }
    }

    /// The model's row that is at `fileRow` of the file.
    private func modelRow(_ fileRow: Int) -> Int {
        guard heads > 0 else { return fileRow }
        let head = matrix.rows / heads
        return fileRow / head * head + HeadInterleaving.modelRow(of: fileRow % head, head: head)
    }

    /// The scales as the file's type holds them; refused where it cannot.
    private func storedScales() throws(BitNetError) -> [Float] {
        let values = matrix.scale.values
        if info.type == .i2_s || info.type == .f32 {
            guard info.type == .f32 || values.count == 1 else { throw severalScales }
            return values
        }
        guard groupColumns % info.type.block.elements == 0 else { throw severalScales }
        let precision: ElementType = info.type == .bf16 ? .bf16 : .f16
        let scales = try AlignedBuffer(values, purpose: info.name)
        let bytes = try AlignedBuffer<UInt8>(count: 2 * values.count, purpose: info.name)
        Codec.encode(precision, scales.view, into: bytes.view)
        bytes.view.withBytes { Codec.decode(precision, $0, into: scales.view) }
        var stored = scales.array
        // Within half a unit in the last place, if the scale is neither too large nor too small.
        let share: Float = precision == .bf16 ? 256 : 2048
        for (index, value) in values.enumerated() where abs(stored[index] - value) > value / share {
            if isEmpty(scale: index) {
                stored[index] = 0
                continue
            }
            throw .unsupportedFormat(
                path: path,
                detail: "the scale \(value) of tensor \(info.name.quoted) does not fit the "
                    + "\(precision == .f16 ? "float16" : "bfloat16") of \(info.type.rawValue)",
                remedy: "use --type \(values.count == 1 ? "i2_s" : "f32")")
        }
        return stored
    }

    /// Whether all weights of a scale are zero, so that it does not matter.
    private func isEmpty(scale index: Int) -> Bool {
        let groups = matrix.trits.groupCount
        let rows =
            matrix.scale.values.count == 1
            ? 0..<matrix.rows : index / groups..<index / groups + 1
        let part = index % groups * groupColumns..<(index % groups + 1) * groupColumns
        return rows.allSatisfy { matrix.trits(ofRow: $0)[part].allSatisfy { $0 == 0 } }
    }

    private var severalScales: BitNetError {
        let size = info.type == .i2_s ? 0 : info.type.block.elements
        let holds = size == 0 ? "one for a matrix" : "one for \(size) columns"
        let remedy = matrix.trits.groupCount == 1 && columns % 256 == 0 ? "tq2_0" : "f16"
        return .unsupportedFormat(
            path: path,
            detail: "tensor \(info.name.quoted) has several scales, "
                + "\(groupColumns < columns ? "one for \(groupColumns) columns" : "one a row"), "
                + "and "
                + "\(info.type.rawValue) holds \(holds)",
            remedy: "use --type \(groupColumns % 256 == 0 ? "tq2_0" : remedy)")
    }
}
