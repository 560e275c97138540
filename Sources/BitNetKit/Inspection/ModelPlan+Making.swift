public import Foundation

extension BitNetModel {
    /// What running a model will take in memory, without loading its weights.
    ///
    /// - Parameters:
    ///   - url: what `load(_:options:progress:)` takes.
    ///   - context: tokens of one sequence; nil for as many as the model was trained to take.
    ///   - options: what it would be loaded with. Where the layout is left open and the model is large,
    ///     it is measured as loading would.
    ///   - cache: how keys and values are cached.
    /// - Throws: `BitNetError` as loading would for a file that is damaged or not known, and
    ///   `.invalidArgument` for a context that is not positive or past 2^24.
    public static func plan(
        _ url: URL, context: Int? = nil, options: LoadOptions = LoadOptions(),
        cache: KVCachePrecision = .f16
    ) throws(BitNetError) -> ModelPlan {
        let checkpoint = try Checkpoint(opening: url.path)
        let configuration = try ModelConfiguration(checkpoint)
        // Held while the memory of the process is looked at.
        let tokenizer = try? Tokenizer(checkpoint, rows: configuration.vocabularySize)
        let compute = try options.compute
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: .t2, progress: nil)
        loader.i2sOrder = options.i2sOrder
        loader.allowsLossy = true
        var files = FileSizes()
        for tensor in try loader.plan() { files.add(tensor, isTied: configuration.isLMHeadTied) }
        defer { withExtendedLifetime(tokenizer) {} }
        return try ModelPlan(
            configuration, files, context: context, options: options, compute: compute,
            cache: cache)
    }
}

/// What a plan has to know of a file's tensors.
package struct FileSizes {
    /// Types of the embedding and of an LM head of its own, as they are held.
    package var embedding = ElementType.f16
    package var lmHead: ElementType?
    /// The most bytes that a ternary matrix has in the file.
    package var largestTernary = 0

    package init() {}

    mutating func add(_ planned: PlannedTensor, isTied: Bool) {
        switch planned.content {
        case .ternary(let source):
            if !source.tensor.type.isFloatLike || source.tensor.type.isTernaryBlock {
                largestTernary = max(largestTernary, source.tensor.region.count)
            }
        case .dense(let tensor):
            let isHead = planned.name == TensorNames.gguf.lmHead
            let isMultiplied = isHead || isTied
            let held = isMultiplied && !tensor.type.hasDenseKernel ? .f32 : tensor.type
            if isHead { lmHead = held } else { embedding = held }
        case .vector: break
        }
    }
}

extension ElementType {
    fileprivate var isTernaryBlock: Bool {
        switch self {
        case .tq1_0, .tq2_0, .q2_0, .q2_0_128: true
        default: false
        }
    }

    fileprivate func byteCount(_ rows: Int, _ columns: Int) -> Int {
        rows * (columns / block.elements) * block.bytes
    }
}

extension ModelPlan {
    /// A plan for a graph of which the file, if there is one, has `files`.
    package init(
        _ c: ModelConfiguration, _ files: FileSizes, context: Int?, options: LoadOptions,
        compute: Compute, cache: KVCachePrecision
    ) throws(BitNetError) {
        let context = context ?? c.contextLength
        guard (1...1 << 24).contains(context) else {
            throw .invalidArgument(name: "context", detail: "\(context) is not in 1...\(1 << 24)")
        }
        let before = ProcessMemory.resident
        let layout = try LayoutChoice.layout(
            forWeights: c.ternaryWeightCount, compute, asked: options.layout)
        let weights = WeightSizes(c, files, layout, options.lmHead)
        let scratch = try c.scratchBytes(context: context, threads: compute.pool.threads)
        let next = try c.scratchBytes(context: context + 1024, threads: compute.pool.threads)
        name = c.name
        self.context = context
        trainedContext = c.contextLength
        scan = weights.scanKind
        self.cache = cache.rawValue
        self.layout = layout.rawValue
        threads = compute.pool.threads
        ternaryWeights = c.ternaryWeightCount
        denseWeights = c.vocabularySize * c.hiddenSize * (files.lmHead == nil ? 1 : 2)
        keyValueBytesPerToken = c.keyValueBytes(cache)
        scratchBytesPerToken = (next - scratch) / 1024
        memory = Memory(
            process: before, ternary: weights.ternary, embedding: weights.embedding,
            lmHead: weights.lmHead, scan: weights.scan, pages: weights.pages,
            keyValues: context * keyValueBytesPerToken,
            scratch: scratch, loading: files.largestTernary)
        weightBytesPerToken = weights.ternary + weights.headRead
        fp16Bytes = 2 * (ternaryWeights + denseWeights + c.normCount)
        let queries = c.headCount * c.headDimension
        activationsPerToken =
            c.layerCount * (6 * c.hiddenSize + 3 * queries + 5 * c.feedForwardSize)
        layers = c.layerCount
    }
}

/// Bytes of weights in memory.
private struct WeightSizes {
    var ternary = 0
    /// What whole pages add.
    var pages = 0
    var embedding = 0
    var lmHead = 0
    /// Beside the LM head, and what it is.
    var scan = 0
    var scanKind: ModelPlan.Scan?
    /// Of the LM head, for a greedy choice.
    var headRead = 0

    init(
        _ c: ModelConfiguration, _ files: FileSizes, _ layout: TernaryLayout,
        _ storage: LMHeadStorage
    ) {
        for part in LinearPart.allCases {
            let shape = c.shape(of: part)
            let bytes = layout.byteCount(
                rows: shape[0], columns: shape[1], groupColumns: shape[1])
            ternary += bytes * c.layerCount
        }
        pages = paddingBytes(ofBuffer: ternary)
        let (rows, columns) = (c.vocabularySize, c.hiddenSize)
        embedding = files.embedding.byteCount(rows, columns)
        let stored = files.lmHead ?? files.embedding
        let held = storage.elementType ?? stored
        if files.lmHead != nil || held != stored { lmHead = held.byteCount(rows, columns) }
        pages += paddingBytes(ofBuffer: embedding) + paddingBytes(ofBuffer: lmHead)
        switch storage.scanType(for: held) {
        case nil: headRead = held.byteCount(rows, columns)
        case .q8_0, .q6_K, .q4_0:
            scanKind = .bounds
            scan = rows * 4
            headRead = held.byteCount(rows, columns) + scan
        case .int8:
            scanKind = .int8
            scan = rows * columns + rows * 12
            headRead = scan
        case .int4:
            scanKind = .int4
            scan = rows * columns / 2 + rows * 12
            headRead = scan
        }
    }
}

extension ModelConfiguration {
    /// Bytes of keys and values of one token.
    fileprivate func keyValueBytes(_ cache: KVCachePrecision) -> Int {
        switch cache {
        case .f32: cachedElements * 4
        case .f16: cachedElements * 2
        case .int8: cachedElements + 2 * layerCount * keyValueHeadCount * 4
        }
    }

    /// Elements of all norms.
    fileprivate var normCount: Int {
        let sizes = NormPart.allCases.compactMap { size(of: $0) }.reduce(0, +)
        let inner =
            hasLinearNorms ? LinearPart.allCases.reduce(0) { $0 + shape(of: $1)[1] } : 0
        return layerCount * (sizes + inner) + hiddenSize
    }

    /// Bytes of one sequence's scratch memory: that of a real one, which nothing has touched.
    fileprivate func scratchBytes(context: Int, threads: Int) throws(BitNetError) -> Int {
        let workspace = try Workspace(
            self, batch: min(InferenceContext.batchLength, context), contextLength: context,
            threads: threads, gemmScratch: 1 << 18)
        return workspace.byteCount
    }
}

/// What this process holds.
package enum ProcessMemory {
    /// Bytes in memory now, where the system says so; else the most so far.
    package static var resident: Int {
        #if os(Linux)
            if let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) {
                let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                if let pages { return pages * sysconf(Int32(_SC_PAGESIZE)) }
            }
            return 0
        #else
            var usage = rusage()
            return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0
        #endif
    }

    /// Bytes that new memory can take without any being swapped out, where the system says so; else
    /// all that the machine has.
    package static var available: Int {
        #if os(Linux)
            if let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) {
                for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
                    let number = line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                    if let number { return number * 1024 }
                }
            }
        #endif
        return Int(ProcessInfo.processInfo.physicalMemory)
    }
}
