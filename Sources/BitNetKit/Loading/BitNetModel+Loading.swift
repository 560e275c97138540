internal import Dispatch
public import Foundation

extension BitNetModel {
    /// Loads a model from a GGUF file or a Hugging Face folder.
    ///
    /// - Parameters:
    ///   - url: a `.gguf` file, or a folder with `config.json` and `model.safetensors`.
    ///   - options: threads and kernels to compute with.
    ///   - progress: called on another thread while matrices are read.
    ///
    /// Nothing of the file is needed once the model is loaded, unless
    /// `LoadOptions.keepsFileMapped` says so.
    ///
    /// - Throws: `BitNetError`, which names the file, the tensor or key, and the remedy;
    ///   `.unreadable` also where somebody changes a file while it is read, `.outOfMemory` also
    ///   where the system starts no thread to load on.
    public static func load(
        _ url: URL, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws(BitNetError) -> BitNetModel {
        try ThreadCheck.run()
        let result: Result<BitNetModel, BitNetError> = await withCheckedContinuation { done in
            DispatchQueue.global(qos: .userInitiated).async {
                done.resume(
                    returning: Result { () throws(BitNetError) in
                        try BitNetModel(loading: url, options: options, progress: progress)
                    })
            }
        }
        return try result.get()
    }

    /// Loads on the calling thread, which it blocks.
    convenience init(
        loading url: URL, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(BitNetError) {
        progress?(LoadProgress(phase: .map, fraction: 0))
        let checkpoint = try Checkpoint(opening: url.path)
        try self.init(checkpoint, options: options, progress: progress)
    }

    convenience init(
        _ checkpoint: Checkpoint, options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(BitNetError) {
        let parts = try checkpoint.reading { () throws(BitNetError) in
            try Parts(checkpoint, options: options, progress: progress)
        }
        self.init(
            parts.transformer, tokenizer: parts.tokenizer, chatTemplate: parts.chatTemplate,
            warnings: parts.warnings)
    }
}

/// What a model is made of.
private struct Parts {
    let transformer: Transformer
    let tokenizer: Result<Tokenizer, BitNetError>
    let chatTemplate: ChatTemplate?
    let warnings: [String]

    init(
        _ checkpoint: Checkpoint, options: LoadOptions,
        progress: (@Sendable (LoadProgress) -> Void)?
    ) throws(BitNetError) {
        let configuration = try ModelConfiguration(checkpoint)
        let tokenizer = Result { () throws(BitNetError) in
            let tokenizer = try Tokenizer(checkpoint, rows: configuration.vocabularySize)
            try tokenizer.check(fits: configuration.vocabularySize, path: checkpoint.path)
            return tokenizer
        }
        let compute = try options.compute
        let weights = configuration.ternaryWeightCount
        let layout = try LayoutChoice.adopt(
            forWeights: weights, compute, asked: options.layout)
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: layout, progress: progress)
        loader.i2sOrder = options.i2sOrder
        loader.keepsFileMapped = options.keepsFileMapped
        loader.keepsSilentNeurons = options.keepsSilentNeurons
        switch tokenizer {
        case .success(let tokenizer):
            loader.warnings += tokenizer.missingTokens(of: checkpoint) + tokenizer.warnings
        case .failure(let error):
            loader.warnings.append("\(error); the model computes with tokens, but not with text")
        }
        var transformer = try loader.load()
        try transformer.hold(lmHead: options.lmHead)
        try transformer.arrangeWeights(options.sparsity)
        self.transformer = transformer
        self.tokenizer = tokenizer
        chatTemplate = try (try? tokenizer.get()).flatMap { tokenizer throws(BitNetError) in
            try ChatTemplate(checkpoint, tokenizer: tokenizer)
        }
        warnings =
            loader.warnings
            + [chatTemplate?.warning, options.threadWarning(compute)]
            .compactMap(\.self)
    }
}

extension LoadOptions {
    /// What there is to say if the system has refused to start some threads.
    fileprivate func threadWarning(_ compute: Compute) -> String? {
        guard let threads, compute.pool.threads < threads else { return nil }
        return "the system let \(compute.pool.threads) of \(threads) threads start; results are "
            + "the same, but slower"
    }

    /// The kernels and threads that these options ask for.
    package var compute: Compute {
        get throws(BitNetError) {
            if let threads { try WorkerPool.check(threads: threads) }
            let threads = threads ?? Compute.standard.pool.threads
            let kernels =
                try instructionSet.map { (name) throws(BitNetError) in
                    try KernelSet.named(name)
                } ?? .best
            let isStandard =
                threads == Compute.standard.pool.threads && sharing == .worthwhile
            return Compute(
                kernels: kernels,
                pool: isStandard
                    ? Compute.standard.pool
                    : WorkerPool(threads: threads, sharing: sharing))
        }
    }
}
