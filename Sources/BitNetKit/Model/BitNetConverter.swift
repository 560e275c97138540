public import Foundation

/// What a converted file stores how.
public struct ConversionOptions: Sendable, Hashable {
    /// Format of the ternary matrices: I2_S, TQ1_0 or TQ2_0.
    public var ternary: ElementType = .i2_s
    /// Format of the embedding and the LM head; nil keeps what the source has, where GGUF can hold
    /// it.
    public var embedding: ElementType?

    /// Options that differ from the defaults in what is given.
    public init(ternary: ElementType = .i2_s, embedding: ElementType? = nil) {
        self.ternary = ternary
        self.embedding = embedding
    }
}

/// What a conversion has written.
public struct ConversionReport: Sendable, CustomStringConvertible {
    /// One tensor of the new file.
    public struct Entry: Sendable {
        /// The tensor's name in the new file.
        public let name: String
        /// How it is stored there.
        public let type: ElementType
        /// `[rows, columns]`, or `[count]` of a vector.
        public let shape: [Int]
        /// Weight scale of a ternary matrix.
        public let scale: Float?
        /// Share of zeros of a ternary matrix, in [0, 1].
        public let zeroShare: Double?
    }

    /// The new file.
    public internal(set) var path: String
    /// All tensors, in the order of the file.
    public internal(set) var tensors: [Entry] = []
    /// Size of the file in bytes.
    public internal(set) var byteCount = 0

    /// File, tensors, weights, zeros and size, on one line.
    public var description: String {
        let ternary = tensors.filter { $0.scale != nil }
        let weights = ternary.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let zeros = ternary.reduce(0.0) { $0 + ($1.zeroShare ?? 0) * Double($1.shape.reduce(1, *)) }
        let share = weights > 0 ? zeros / Double(weights) * 100 : 0
        return "\(path): \(tensors.count) tensors, \(ternary.count) of them ternary with "
            + "\(weights) weights, \(Int(share.rounded()))% zero; \(byteCount) bytes"
    }
}

/// Writes models as GGUF files, tensor by tensor, so that memory stays far below the model's size.
public enum BitNetConverter {
    /// Converts a GGUF file or a Hugging Face folder. Blocks the calling thread.
    ///
    /// ```swift
    /// let report = try BitNetConverter.convert(
    ///     from: URL(fileURLWithPath: "folder"), to: URL(fileURLWithPath: "model.gguf"),
    ///     options: ConversionOptions(ternary: .tq2_0))
    /// print(report)
    /// ```
    ///
    /// The file appears under its name when it is complete; after an error nothing is left.
    /// Blocking; cancelling the current task ends it before the next tensor.
    ///
    /// - Parameters:
    ///   - source: what `BitNetModel.load(_:options:progress:)` takes.
    ///   - target: the `.gguf` file to write; one that is there is replaced.
    ///   - options: what to store how.
    ///   - progress: called with the share of tensors written, in [0, 1].
    /// - Throws: `BitNetError`, among others `.notTernary` for a model that is not, and
    ///   `.unsupportedFormat` for what the chosen types cannot hold, `.cancelled`.
    public static func convert(
        from source: URL, to target: URL, options: ConversionOptions = ConversionOptions(),
        progress: (@Sendable (Double) -> Void)? = nil
    ) throws(BitNetError) -> ConversionReport {
        let checkpoint = try Checkpoint(opening: source.path)
        let conversion = try Conversion(checkpoint, options: options)
        return try conversion.write(to: target.path, progress: progress)
    }
}

/// One conversion: the plan for every tensor, then the file.
struct Conversion {
    let checkpoint: Checkpoint
    let configuration: ModelConfiguration
    let options: ConversionOptions
    let compute = Compute.standard

    init(_ checkpoint: Checkpoint, options: ConversionOptions) throws(BitNetError) {
        self.checkpoint = checkpoint
        self.options = options
        configuration = try ModelConfiguration(checkpoint)
        try configuration.checkGGUFHoldsGraph(path: checkpoint.path)
        guard [.i2_s, .tq1_0, .tq2_0].contains(options.ternary) else {
            throw .invalidArgument(name: "type", detail: "\(options.ternary) is not ternary")
        }
        if let type = options.embedding, !type.canEncode {
            throw .invalidArgument(
                name: "embedding", detail: "\(type.rawValue) cannot be written")
        }
    }

    func write(
        to path: String, progress: (@Sendable (Double) -> Void)?
    ) throws(BitNetError) -> ConversionReport {
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: .t2, progress: nil)
        let plan = try loader.plan()
        let infos = try plan.map { (tensor) throws(BitNetError) in try info(tensor) }
        var writer = try GGUFWriter(path: path, metadata: try metadata(), tensors: infos)
        var report = ConversionReport(path: path)
        for (index, tensor) in plan.enumerated() {
            if Task.isCancelled { throw .cancelled }
            report.tensors.append(try write(tensor, infos[index], to: &writer))
            progress?(Double(index + 1) / Double(plan.count))
        }
        try writer.finish()
        report.byteCount = try MappedFile(opening: path).count
        return report
    }
}

// MARK: - Tensors

extension Conversion {
    private func info(_ tensor: PlannedTensor) throws(BitNetError) -> GGUFWriter.TensorInfo {
        var type: ElementType
        switch tensor.content {
        case .ternary(let source):
            type = options.ternary
            let count = source.rows * source.columns
            let fits = type == .i2_s ? count % 128 == 0 : source.columns % 256 == 0
            guard fits else {
                throw .unsupportedFormat(
                    path: checkpoint.path,
                    detail: "tensor '\(tensor.name)' \(tensor.shape) does not fit \(type.rawValue)",
                    remedy: "\(type == .i2_s ? "no GGUF type holds it" : "use --type i2_s")")
            }
        case .dense(let source):
            type = options.embedding ?? source.type
            guard tensor.shape[1] % type.block.elements == 0 else {
                throw .unsupportedFormat(
                    path: checkpoint.path,
                    detail: "tensor '\(tensor.name)' \(tensor.shape) does not fit \(type.rawValue)",
                    remedy: "choose another --embedding, for example f16")
            }
        case .vector:
            type = .f32
        }
        return .init(name: tensor.name, type: type, shape: tensor.shape)
    }

    private func write(
        _ tensor: PlannedTensor, _ info: GGUFWriter.TensorInfo, to writer: inout GGUFWriter
    ) throws(BitNetError) -> ConversionReport.Entry {
        var scale: Float?
        var zeroShare: Double?
        switch tensor.content {
        case .ternary(let source):
            let matrix = try source.pack(layout: .t2, pool: compute.pool)
            let share = matrix.statistics().zeroShare
            if share < 1, info.type != .i2_s { try checkHalf(matrix.scale, of: info) }
            scale = try write(matrix, info, interleavedBy: tensor.interleavedHeads, to: &writer)
            zeroShare = share
        case .dense(let source):
            try write(source, info, to: &writer)
        case .vector(let values):
            let values = try AlignedBuffer(values, purpose: info.name)
            let bytes = try AlignedBuffer<UInt8>(count: values.count * 4, purpose: info.name)
            Codec.encode(.f32, values.view, into: bytes.view)
            try writer.append(bytes.array, to: info.name)
        }
        return .init(
            name: info.name, type: info.type, shape: info.shape, scale: scale,
            zeroShare: zeroShare)
    }

    /// Rows are encoded in chunks of whole heads and of whole 128-weight blocks.
    private func write(
        _ matrix: TernaryMatrix, _ info: GGUFWriter.TensorInfo, interleavedBy heads: Int,
        to writer: inout GGUFWriter
    ) throws(BitNetError) -> Float {
        guard case .perTensor(let scale) = matrix.scale else {
            throw .unsupportedFormat(
                path: checkpoint.path, detail: "tensor '\(info.name)' has several scales",
                remedy: "\(info.type.rawValue) holds one for a matrix")
        }
        let chunk = heads > 0 ? matrix.rows / heads : 128
        for begin in stride(from: 0, to: matrix.rows, by: chunk) {
            let rows = begin..<min(begin + chunk, matrix.rows)
            let trits = try AlignedBuffer<Int8>(
                count: rows.count * matrix.columns, purpose: info.name)
            matrix.trits.unpack(rows: rows, into: trits.view)
            if heads > 0 { HeadInterleaving.apply(to: trits.view, columns: matrix.columns) }
            let bytes: AlignedBuffer<UInt8>
            if info.type == .i2_s {
                bytes = try AlignedBuffer(count: trits.count / 4, purpose: info.name)
                Codec.encodeI2S(trits.view, into: bytes.view)
            } else {
                let block = info.type.block
                bytes = try AlignedBuffer(
                    count: trits.count / block.elements * block.bytes, purpose: info.name)
                Codec.encodeTQ(info.type, trits.view, scale: scale, into: bytes.view)
            }
            try writer.append(bytes.array, to: info.name)
        }
        if info.type == .i2_s { try writer.appendI2SScale(scale, to: info.name) }
        return scale
    }

    /// Blocks have a float16 scale: it keeps 11 bits of ours, if it is not too large or too small.
    private func checkHalf(
        _ scale: TernaryScale, of info: GGUFWriter.TensorInfo
    ) throws(BitNetError) {
        guard case .perTensor(let scale) = scale else { return }
        let value = try AlignedBuffer([scale], purpose: info.name)
        let half = try AlignedBuffer<UInt8>(count: 2, purpose: info.name)
        Codec.encode(.f16, value.view, into: half.view)
        half.view.withBytes { Codec.decode(.f16, $0, into: value.view) }
        guard abs(value.view[0] - scale) <= scale / 2048 else {
            throw .unsupportedFormat(
                path: checkpoint.path,
                detail: "the scale \(scale) of tensor '\(info.name)' does not fit the float16 of "
                    + info.type.rawValue,
                remedy: "use --type i2_s")
        }
    }

    private func write(
        _ source: CheckpointTensor, _ info: GGUFWriter.TensorInfo, to writer: inout GGUFWriter
    ) throws(BitNetError) {
        if source.type == info.type { return try writer.append(source.region, to: info.name) }
        let columns = info.shape[1]
        let (from, to) = (source.type.block, info.type.block)
        let values = try AlignedBuffer<Float>(count: columns, purpose: info.name)
        let encoded = try AlignedBuffer<UInt8>(
            count: columns / to.elements * to.bytes, purpose: info.name)
        let rowBytes = columns / from.elements * from.bytes
        for row in 0..<info.shape[0] {
            try source.region.slice(row * rowBytes..<(row + 1) * rowBytes).withUnsafeBytes {
                Codec.decode(source.type, $0, into: values.view)
            }
            Codec.encode(info.type, values.view, into: encoded.view)
            encoded.view.withBytes { Codec.decode(info.type, $0, into: values.view) }
            guard values.view.isFinite else {
                throw .unsupportedFormat(
                    path: checkpoint.path,
                    detail:
                        "row \(row) of tensor '\(info.name)' does not fit \(info.type.rawValue)",
                    remedy: "it is damaged, or needs --embedding bf16 or f32")
            }
            try writer.append(encoded.array, to: info.name)
        }
    }
}
