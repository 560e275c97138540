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
    /// How I2_S codes lie in their bytes.
    var order = I2SOrder.a
    /// Where the matrix is read to.
    var scratch = TensorScratch()
}

/// Memory for one ternary matrix after the other as a file has it: used again when nobody holds the
/// one before any more, since fresh memory takes as long to get as reading the matrix.
final class TensorScratch: @unchecked Sendable {
    // Used by one loader, one matrix at a time.
    private var buffer: AlignedBuffer<UInt8>?

    /// All bytes of a tensor, read by all threads at once.
    func read(_ tensor: CheckpointTensor, _ pool: WorkerPool) throws(BitNetError) -> ByteRegion {
        let count = tensor.region.count
        if !isKnownUniquelyReferenced(&buffer) || (buffer?.count ?? 0) < count {
            buffer = nil
            buffer = try AlignedBuffer(count: count, purpose: tensor.name)
        }
        guard let buffer, count > 0 else { return ByteRegion([], path: tensor.region.path) }
        try tensor.region.read(into: buffer.view[0..<count], pool: pool)
        return ByteRegion(buffer, path: tensor.region.path, count: count)
    }
}

/// What to do with a ternary matrix that is stored as floats.
enum MasterWeights: Sendable {
    /// Round by the absolute mean, whatever the matrix holds: what transformers does online.
    case round
    /// Keep the magnitudes of weights that are ternary already, round others: GGUF files, where
    /// converters have written both.
    case keepTernary
    /// Refuse weights that are not ternary.
    case requireTernary
    /// Keep what is ternary, round everything else, in whatever type it is.
    case approximate
}

/// What is known of a ternary matrix before its trits are read.
struct TernaryPlan {
    /// The scales, in the order of the model's rows.
    var scale: TernaryScale
    /// The tensor as it is in the file; nil for weights that are stored as floats, which are read a
    /// few rows at a time.
    var codes: ByteRegion?
    /// What float weights are multiplied by before they are rounded; nil where signs are enough.
    var g: Float?
    /// Scales of the file's blocks, or of its rows where they begin with one, in the order of the
    /// file.
    var blockScales: AlignedBuffer<Float>?
    /// Squared error of rounding weights that were not ternary, relative to the squared weights.
    var roundingError = 0.0
}

extension TernarySource {
    /// Packs the matrix, all threads at once.
    ///
    /// - Throws: `BitNetError.corruptTensor` for codes that are no trits, `.notTernary`,
    ///   `.unsupportedFormat`, `.shapeMismatch`.
    func pack(layout: TernaryLayout, pool: WorkerPool) throws(BitNetError) -> TernaryMatrix {
        try pack(try plan(pool), layout: layout, pool: pool)
    }

    /// Packs the matrix as `plan` says, or some columns of one that has one scale in a row: then `see`
    /// is called for each row with the trits of all, by several threads at once.
    func pack(
        _ plan: TernaryPlan, layout: TernaryLayout, pool: WorkerPool, keeping kept: Runs? = nil,
        see: (_ row: Int, _ trits: BufferView<Int8>) -> Void = { _, _ in }
    ) throws(BitNetError) -> TernaryMatrix {
        let group = plan.scale.groupColumns(of: columns)
        precondition(kept == nil || group == columns)
        let packed = try PackedTrits(
            rows: rows, columns: kept?.count ?? columns, groupColumns: kept?.count ?? group,
            layout: layout)
        try forEachChunk(pool) { (chunk) throws(BitNetError) in
            try decode(chunk, plan)
            guard let kept else { return packed.pack(chunk.trits, rows: chunk.rows) }
            for row in 0..<chunk.rows.count {
                let trits = chunk.trits[row * columns..<(row + 1) * columns]
                see(chunk.rows.lowerBound + row, trits)
                kept.gather(
                    from: trits,
                    into: chunk.trits[row * kept.count..<(row + 1) * kept.count])
            }
            packed.pack(chunk.trits[0..<chunk.rows.count * kept.count], rows: chunk.rows)
        }
        return try TernaryMatrix(packed, scale: plan.scale)
    }

    /// Checks shapes and finds the scales, for which float weights are all read.
    func plan(_ pool: WorkerPool) throws(BitNetError) -> TernaryPlan {
        try checkShape()
        var plan: TernaryPlan
        switch tensor.type {
        case .i2_s:
            let codes = try scratch.read(tensor, pool)
            let bits: UInt32 = try codes.integer(at: rows * columns / 4)
            plan = TernaryPlan(scale: .perTensor(Float(bitPattern: bits)), codes: codes)
        case .packedTernary:
            plan = TernaryPlan(scale: .perTensor(1), codes: try scratch.read(tensor, pool))
        case .tq1_0, .tq2_0, .q2_0, .q2_0_128, .iq1_bn, .iq2_bn, .iq2_bn_r4:
            plan = try blockPlan(try scratch.read(tensor, pool))
        default:
            plan = try floatPlan(pool)
        }
        try check(plan.scale.values)
        plan.scale = try multiplied(plan.scale)
        return plan
    }

    private func checkShape() throws(BitNetError) {
        let logicalShape =
            tensor.type == .packedTernary ? [(rows + 3) / 4, columns] : [rows, columns]
        guard tensor.shape == logicalShape, tensor.type != .packedTernary || rows % 4 == 0 else {
            throw .shapeMismatch(tensor: tensor.name, expected: logicalShape, found: tensor.shape)
        }
        guard tensor.type == .i2_s else { return }
        let unit = order == .c ? 4 * columns : order == .b ? 64 : 128
        guard rows * columns % unit == 0 else {
            // The last weights of such a tensor lie where its scale is: no writer is known.
            throw .unsupportedFormat(
                path: tensor.region.path,
                detail: "tensor \(tensor.name.quoted) \(tensor.shape) is no whole number of I2_S "
                    + "blocks",
                remedy:
                    "I2_S in order \(order.rawValue) holds \(unit) weights a block; convert the "
                    + "original checkpoint to another type")
        }
    }

    func corrupt(_ detail: String) -> BitNetError {
        .corruptTensor(tensor: tensor.name, detail: detail)
    }

    /// Some rows of the matrix, whole tiles and whole heads.
    struct Chunk {
        let rows: Range<Int>
        /// The rows as the file has them, where weights are stored as floats.
        let bytes: BufferView<UInt8>
        /// Scratch for the trits.
        let trits: BufferView<Int8>
        /// Scratch for one row.
        let floats: BufferView<Float>
    }

    /// Runs `body` on all chunks, in parallel. Chunks of a thread follow each other in the same
    /// memory.
    func forEachChunk(
        _ pool: WorkerPool, _ body: (Chunk) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let chunk = interleavedHeads > 0 ? rows / interleavedHeads : 64
        let work = rows * columns * elementWork
        let rowBytes = tensor.type.isFloatLike ? self.rowBytes : 0
        try pool.tryParallel(rows, granule: chunk, work: work) { (_, range) throws(BitNetError) in
            let most = min(chunk, range.count)
            let bytes = try AlignedBuffer<UInt8>(count: most * rowBytes, purpose: tensor.name)
            let trits = try AlignedBuffer<Int8>(count: most * columns, purpose: tensor.name)
            let floats = try AlignedBuffer<Float>(count: columns, purpose: tensor.name)
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                let part = begin..<min(begin + chunk, range.upperBound)
                let stored = part.lowerBound * rowBytes..<part.upperBound * rowBytes
                try tensor.region.read(stored, into: bytes.view[0..<stored.count])
                try body(
                    Chunk(
                        rows: part, bytes: bytes.view, trits: trits.view[0..<part.count * columns],
                        floats: floats.view))
            }
        }
    }

    /// Bytes of a row of a tensor of whole-row blocks.
    private var rowBytes: Int { columns / tensor.type.block.elements * tensor.type.block.bytes }
}

// MARK: - Trits

extension TernarySource {
    /// Decodes the rows of a chunk to trits, in the model's order.
    func decode(_ chunk: Chunk, _ plan: TernaryPlan) throws(BitNetError) {
        if let codes = plan.codes {
            let bad = try decode(codes, chunk.rows, plan, into: chunk.trits)
            if let bad { throw invalidCode(at: bad) }
        } else {
            for row in chunk.rows {
                decodeFloats(row, of: chunk)
                let start = (row - chunk.rows.lowerBound) * columns
                let target = chunk.trits[start..<start + columns]
                if let g = plan.g {
                    Codec.ternarize(chunk.floats, g: g, into: target)
                } else {
                    Codec.signs(chunk.floats, into: target)
                }
            }
        }
        if interleavedHeads > 0 { HeadInterleaving.undo(chunk.trits, columns: columns) }
    }

    /// Returns the weight of the first invalid code.
    private func decode(
        _ codes: ByteRegion, _ range: Range<Int>, _ plan: TernaryPlan, into trits: BufferView<Int8>
    ) throws(BitNetError) -> Int? {
        switch tensor.type {
        case .i2_s:
            codes.withUnsafeBytes {
                Codec.decodeI2S(
                    $0, order: order, columns: columns,
                    range: range.lowerBound * columns..<range.upperBound * columns, into: trits)
            }
        case .packedTernary:
            codes.withUnsafeBytes {
                Codec.decodeHuggingFace($0, rows: rows, columns: columns, range: range, into: trits)
            }
        case .tq1_0, .tq2_0, .q2_0, .q2_0_128: try decodeBlocks(codes, range, plan, into: trits)
        default: decodeRows(codes, range, plan, into: trits)
        }
    }

    /// Returns the weight of the first invalid code.
    private func decodeBlocks(
        _ codes: ByteRegion, _ range: Range<Int>, _ plan: TernaryPlan, into trits: BufferView<Int8>
    ) throws(BitNetError) -> Int? {
        guard let scales = plan.blockScales?.view else { return nil }
        let size = tensor.type.block.elements
        let blocks = range.lowerBound * columns / size..<range.upperBound * columns / size
        let read = try AlignedBuffer<Float>(count: blocks.count, purpose: tensor.name)
        let part = range.lowerBound * rowBytes..<range.upperBound * rowBytes
        let bad = try codes.slice(part).withUnsafeBytes {
            tensor.type == .q2_0 || tensor.type == .q2_0_128
                ? Codec.decodeQ2(tensor.type, $0, into: trits, scales: read.view)
                : Codec.decodeTQ(tensor.type, $0, into: trits, scales: read.view)
        }
        if let bad { return bad + range.lowerBound * columns }
        // Weights too small for a float16 scale are zeros, whatever their codes.
        for (index, block) in blocks.enumerated() where scales[block] == 0 {
            trits[index * size..<(index + 1) * size].fill(0)
        }
        return nil
    }

    /// Returns the weight of the first invalid code.
    private func decodeRows(
        _ codes: ByteRegion, _ range: Range<Int>, _ plan: TernaryPlan, into trits: BufferView<Int8>
    ) -> Int? {
        guard let scales = plan.blockScales?.view else { return nil }
        let bad = codes.withUnsafeBytes {
            Codec.decodeRows(tensor.type, $0, columns: columns, range: range, into: trits)
        }
        if let bad { return bad }
        // The writer gives rows of zeros the scale 0 and trits that are not.
        for (index, row) in range.enumerated() where scales[row] == 0 {
            trits[index * columns..<(index + 1) * columns].fill(0)
        }
        return nil
    }

    private func invalidCode(at weight: Int) -> BitNetError {
        guard tensor.type == .q2_0 || tensor.type == .q2_0_128 else {
            return corrupt("weight \(weight) has a code that is no trit; the file is damaged")
        }
        return corrupt(
            "weight \(weight) is +2 times its scale, which Q2_0 can hold and a ternary model does "
                + "not have")
    }

    /// Decodes one row to the chunk's floats; Q4_0 and Q5_0 rows made from ternary weights as those
    /// weights.
    func decodeFloats(_ row: Int, of chunk: Chunk) {
        let start = (row - chunk.rows.lowerBound) * rowBytes
        chunk.bytes[start..<start + rowBytes].withBytes { bytes in
            if tensor.type == .q4_0 || tensor.type == .q5_0,
                Codec.decodeClippedTernary(tensor.type, bytes, into: chunk.floats)
            {
                return
            }
            Codec.decode(tensor.type, bytes, into: chunk.floats)
        }
    }
}
