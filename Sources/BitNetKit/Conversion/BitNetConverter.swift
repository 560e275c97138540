public import Foundation

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
    /// Blocking; cancelling the current task ends it before the next rows of a tensor.
    ///
    /// Trits are kept exactly. Scales are kept exactly by I2_S and F32, which hold float32, and
    /// rounded to float16 by TQ1_0, TQ2_0, F16, Q8_0 and Q6_K, to bfloat16 by BF16; the report has
    /// the error.
    ///
    /// - Parameters:
    ///   - source: what `BitNetModel.load(_:options:progress:)` takes.
    ///   - target: the `.gguf` file to write. One that is there is replaced and passes its mode and
    ///     owner on, a link is followed, a pipe or device is written to as it stands; a read-only
    ///     file is refused, and so is one of several that the source consists of. A source of one file
    ///     may be the target where the new file holds all that it means, or with
    ///     `ConversionOptions.replacesSource`.
    ///   - options: what to store how.
    ///   - progress: called with the share of weights written, in [0, 1]; with 0 before the target
    ///     is touched.
    /// - Throws: `BitNetError`, among others `.notTernary` for a model that is not, and
    ///   `.unsupportedFormat` for what the chosen types cannot hold, `.cancelled`.
    public static func convert(
        from source: URL, to target: URL, options: ConversionOptions = ConversionOptions(),
        progress: (@Sendable (Double) -> Void)? = nil
    ) throws(BitNetError) -> ConversionReport {
        let checkpoint = try Checkpoint(opening: source.path)
        let conversion = try Conversion(checkpoint, options: options)
        do throws(BitNetError) {
            return try conversion.write(to: target.path, progress: progress)
        } catch .cancelled {
            throw .cancelled
        } catch {
            // What went wrong is likely to come from a change.
            try checkpoint.checkUnchanged()
            throw error
        }
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
        guard ConversionOptions.ternaryTypes.contains(options.ternary) else {
            throw .invalidArgument(
                name: "type",
                detail: "ternary matrices cannot be written as \(options.ternary.rawValue)")
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
        loader.i2sOrder = options.i2sOrder
        loader.allowsLossy = options.allowsLossy
        let plan = try loader.plan()
        let infos = try plan.map { (tensor) throws(BitNetError) in try info(tensor) }
        let metadata = try metadata()
        try checkTarget(path)
        progress?(0)
        var writer = try GGUFWriter(path: path, metadata: metadata.entries, tensors: infos)
        var report = ConversionReport(path: path, warnings: metadata.warnings)
        let weights = plan.map { $0.shape.reduce(1, *) }
        let total = Double(max(1, weights.reduce(0, +)))
        var done = 0
        var rounded: [String] = []
        for (index, tensor) in plan.enumerated() {
            if Task.isCancelled { throw .cancelled }
            let (entry, keepsAll) = try write(tensor, infos[index], loader: &loader, to: &writer)
            report.tensors.append(entry)
            if !keepsAll { rounded.append(tensor.name) }
            done += weights[index]
            progress?(Double(done) / total)
        }
        // Not later: a file that has its name stays.
        try checkpoint.checkUnchanged()
        try checkReplacement(of: path, rounded)
        report.byteCount = try writer.finish()
        report.warnings += loader.warnings
        return report
    }
}

// MARK: - Tensors

extension Conversion {
    private func info(_ tensor: PlannedTensor) throws(BitNetError) -> AnnouncedTensor {
        var type = ElementType.f32
        switch tensor.content {
        case .ternary:
            type = options.ternary
            let count = tensor.shape.reduce(1, *)
            let isWhole =
                type == .i2_s
                ? count % 128 == 0 : tensor.shape[1] % type.block.elements == 0
            guard isWhole else {
                throw doesNotFit(
                    tensor, type,
                    remedy: type == .i2_s ? "use --type f16" : "use --type i2_s or f16")
            }
        case .dense(let source):
            type = options.embedding ?? source.type
            guard GGUFTensorType.id(of: type) != nil,
                tensor.shape[1] % type.block.elements == 0
            else {
                throw doesNotFit(
                    tensor, type, remedy: "choose another --embedding, for example f16")
            }
        case .vector:
            break
        }
        return .init(name: tensor.name, type: type, shape: tensor.shape)
    }

    private func doesNotFit(
        _ tensor: PlannedTensor, _ type: ElementType, remedy: String
    ) -> BitNetError {
        .unsupportedFormat(
            path: checkpoint.path,
            detail: "tensor \(tensor.name.quoted) \(tensor.shape) does not fit \(type.rawValue)",
            remedy: remedy)
    }

    /// Writes a tensor; also says whether the source has nothing that the new file has not.
    private func write(
        _ tensor: PlannedTensor, _ info: AnnouncedTensor, loader: inout ModelLoader,
        to writer: inout GGUFWriter
    ) throws(BitNetError) -> (entry: ConversionReport.Entry, keepsAll: Bool) {
        switch tensor.content {
        case .ternary(let source):
            let plan = try source.plan(compute.pool)
            let matrix = try source.pack(plan, layout: .t2, pool: compute.pool)
            try loader.note(largestScale: matrix.scale.largest, of: source)
            let ternary = TernaryWriter(
                matrix: matrix, info: info, heads: tensor.interleavedHeads, path: checkpoint.path)
            let result = try ternary.write(to: &writer, pool: compute.pool)
            let entry = ConversionReport.Entry(
                name: info.name, sourceType: source.tensor.type, type: info.type,
                shape: info.shape, scale: result.scale, scaleCount: matrix.scale.values.count,
                zeroShare: result.zeroShare,
                relativeError: plan.roundingError + result.relativeError)
            // Master weights mean no more than their trits, but they can be trained on.
            return (entry, entry.relativeError == 0 && plan.g == nil)
        case .dense(let source):
            let error = try DenseWriter(source: source, info: info, path: checkpoint.path)
                .write(to: &writer, pool: compute.pool)
            let entry = ConversionReport.Entry(
                name: info.name, sourceType: source.type, type: info.type, shape: info.shape,
                scale: nil, scaleCount: 0, zeroShare: nil, relativeError: error)
            return (entry, error == 0)
        case .vector(let values):
            let values = try AlignedBuffer(values, purpose: info.name)
            let bytes = try AlignedBuffer<UInt8>(count: values.count * 4, purpose: info.name)
            Codec.encode(.f32, values.view, into: bytes.view)
            try writer.append(bytes.array, to: info.name)
            let entry = ConversionReport.Entry(
                name: info.name, sourceType: tensor.sourceType, type: info.type,
                shape: info.shape, scale: nil, scaleCount: 0, zeroShare: nil, relativeError: 0)
            return (entry, true)
        }
    }
}
