/// What a model computes with once it is loaded. Choices change the speed, and only where they say
/// so a result.
///
/// ```swift
/// let options = LoadOptions(threads: 4, instructionSet: "avx2")
/// let model = try await BitNetModel.load(url, options: options)
/// ```
public struct LoadOptions: Sendable, Hashable {
    /// Threads to compute with, 1 to 1024; nil takes one for each core. Where the system refuses to
    /// start so many there are fewer, and `BitNetModel.warnings` says so.
    public var threads: Int?
    /// The name of one of `KernelSet.available`, for example `avx2`; nil takes the fastest.
    public var instructionSet: String?
    /// How trits are packed in memory, whatever the file has; nil takes the one that
    /// decodes fastest here: `t2` where the weights fit the caches, else by a short measurement.
    public var layout: TernaryLayout?
    /// How the codes of I2_S tensors lie in their bytes; unlike the other choices it has to be right,
    /// and no file says which it is.
    public var i2sOrder = I2SOrder.a
    /// How the LM head is held. `f16`, `q8_0`, `q6_K` and `q4_0` round the head once more, and
    /// `twoStageFast` can miss a token; the others change no result.
    public var lmHead: LMHeadStorage = .asStored
    /// Whether feed-forward layers leave out what zeros make irrelevant; matters to models with
    /// squared ReLU only.
    public var sparsity: Sparsity = .automatic
    /// Whether the embedding and the LM head stay in the model's file, mapped into memory, where the
    /// library computes with them as they are stored. Loading is a little faster then and processes
    /// share the memory, but the file has to be trusted: if anybody shortens it while the model
    /// lives, the operating system ends the process, and if anybody writes to it, results change.
    /// Replacing it under its name, as package managers do, is harmless. By default they are copied.
    public var keepsFileMapped = false
    /// Which jobs threads share; tests with small models make them share every one.
    package var sharing = WorkerPool.Sharing.worthwhile
    /// Whether matrices are packed whole, with the neurons that never say anything; nothing but speed
    /// and memory depends on it.
    package var keepsSilentNeurons = false

    /// Options that differ from the defaults in what is given.
    public init(
        threads: Int? = nil, instructionSet: String? = nil, layout: TernaryLayout? = nil,
        i2sOrder: I2SOrder = .a, lmHead: LMHeadStorage = .asStored,
        sparsity: Sparsity = .automatic, keepsFileMapped: Bool = false
    ) {
        self.threads = threads
        self.instructionSet = instructionSet
        self.layout = layout
        self.i2sOrder = i2sOrder
        self.lmHead = lmHead
        self.sparsity = sparsity
        self.keepsFileMapped = keepsFileMapped
    }
}

extension LoadOptions: Codable {
    private enum CodingKeys: String, CodingKey {
        case threads, instructionSet, layout, i2sOrder, lmHead, sparsity, keepsFileMapped
    }

    /// Reads options of which every part may be absent and then has its default.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        threads = try container.decodeIfPresent(Int.self, forKey: .threads) ?? threads
        instructionSet =
            try container.decodeIfPresent(String.self, forKey: .instructionSet) ?? instructionSet
        layout = try container.decodeIfPresent(TernaryLayout.self, forKey: .layout) ?? layout
        i2sOrder = try container.decodeIfPresent(I2SOrder.self, forKey: .i2sOrder) ?? i2sOrder
        lmHead = try container.decodeIfPresent(LMHeadStorage.self, forKey: .lmHead) ?? lmHead
        sparsity = try container.decodeIfPresent(Sparsity.self, forKey: .sparsity) ?? sparsity
        keepsFileMapped =
            try container.decodeIfPresent(Bool.self, forKey: .keepsFileMapped) ?? keepsFileMapped
    }
}

/// How far loading has come.
public struct LoadProgress: Sendable, Hashable {
    /// What is being done.
    public enum Phase: String, Sendable, Hashable {
        /// The file's directory is read and checked.
        case map
        /// Matrices are read, and ternary ones packed for this machine's kernels.
        case pack
        /// The model is ready.
        case ready
    }

    /// What is being done.
    public let phase: Phase
    /// Share of all weights read so far, in [0, 1].
    public let fraction: Double
}
