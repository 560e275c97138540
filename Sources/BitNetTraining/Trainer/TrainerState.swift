internal import BitNetKit

/// What changes from step to step: the network, its optimiser, and where in the data they are. Has
/// one owner at a time, the queue of a `Trainer`.
final class TrainerState: @unchecked Sendable {
    let configuration: TrainingConfiguration
    let network: ShadowNetwork
    let optimizer: AdamW
    let data: any TrainingSource
    let teacher: Teacher?
    /// Steps that are done.
    var step = 0
    /// Seconds that they took.
    var seconds = 0.0
    /// The latest checkpoint that was saved.
    var checkpoint: String?

    /// - Parameters:
    ///   - teacher: the model that `configuration.distillation` names.
    ///   - isRounded: whether weights and activations are rounded.
    init(
        _ configuration: TrainingConfiguration, data: any TrainingSource,
        teacher: BitNetModel? = nil, isRounded: Bool = true, compute: Compute
    ) throws(BitNetError) {
        try configuration.validate()
        var configuration = configuration
        try configuration.check(teacher)
        self.configuration = configuration
        self.data = data
        let shape = configuration.shape
        network = try ShadowNetwork(
            shape, tokens: configuration.windowsPerPass * shape.contextLength,
            isRounded: isRounded, compute: compute)
        if let teacher, let distillation = configuration.distillation {
            self.teacher = try Teacher(
                teacher, weight: distillation.weight, temperature: distillation.temperature,
                network: network)
        } else {
            self.teacher = nil
        }
        optimizer = try AdamW(count: network.layout.count)
    }

    /// The share of the training that is done.
    var progress: Double {
        switch configuration.length {
        case .steps(let steps): min(1, Double(step) / Double(steps))
        case .seconds(let limit): min(1, seconds / limit)
        }
    }

    /// First weights: about normal ones for matrices, ones for norms.
    ///
    /// A sum of uniform numbers instead of a logarithm and a cosine, which the C library computes
    /// differently from platform to platform.
    func initialize() {
        var generator = SeededGenerator(seed: configuration.seed)
        // Twelve uniform numbers have a variance of 1; layers that add to the stream share it.
        let deviation = 0.02
        let added = deviation / Double(2 * configuration.shape.layerCount).squareRoot()
        for tensor in network.layout.tensors {
            guard tensor.shape.count == 2 else {
                network.parameter(tensor.range).fill(1)
                continue
            }
            let isAdded =
                tensor.name.hasSuffix("o_proj.weight") || tensor.name.hasSuffix("down_proj.weight")
            let scale = isAdded ? added : deviation
            for index in tensor.range {
                var sum = -6.0
                for _ in 0..<12 { sum += generator.nextUnit() }
                network.parameters.view[index] = Float(sum * scale)
            }
        }
        network.snap()
    }

    /// Learns from the windows of the next step.
    func advance() throws(BitNetError) -> StepReport {
        let clock = ContinuousClock()
        let start = clock.now
        let length = configuration.shape.contextLength
        let windows = try data.windows(
            step: step, count: configuration.windowsPerStep, length: length + 1)
        try check(windows)
        let tokens = windows.reduce(0) { $0 + $1.count - 1 }
        network.clearGradients()
        network.clearDamage()
        teacher?.begin()
        let sum = accumulate(windows, tokens: tokens)
        let norm = AdamW.norm(network.gradients.view, compute: network.compute)
        if let failure = teacher?.failure { throw failure }
        guard sum.isFinite, norm.isFinite, !network.isDamaged else {
            throw .trainingDiverged(step: step + 1, checkpoint: checkpoint)
        }
        let values = configuration.schedule.values(step: step, progress: progress)
        optimizer.apply(
            AdamW.Step(
                rate: values.rate, decay: values.weightDecay, beta1: configuration.beta1,
                beta2: configuration.beta2, epsilon: configuration.epsilon,
                gradientFactor: clipping(norm), number: step + 1), to: network)
        network.snap()
        step += 1
        let elapsed = (clock.now - start) / .seconds(1)
        seconds += elapsed
        return StepReport(
            step: step, progress: progress, loss: sum / Double(tokens),
            divergence: teacher.map { $0.divergence / Double(tokens) }, gradientNorm: norm,
            learningRate: values.rate, weightDecay: values.weightDecay, tokens: tokens,
            seconds: elapsed)
    }

    /// Gradients of all windows, as many at a time as a pass holds.
    private func accumulate(_ windows: [[Int32]], tokens: Int) -> Double {
        var sum = 0.0
        for begin in stride(from: 0, to: windows.count, by: configuration.windowsPerPass) {
            let end = min(begin + configuration.windowsPerPass, windows.count)
            sum += network.accumulate(
                Array(windows[begin..<end]), factor: 1 / Float(tokens), teacher: teacher)
        }
        return sum
    }

    /// What gradients of this norm are multiplied by, as torch's `clip_grad_norm_`.
    private func clipping(_ norm: Double) -> Float {
        guard configuration.clipNorm > 0 else { return 1 }
        return Float(min(1, Double(configuration.clipNorm) / (norm + 1e-6)))
    }

    /// The loss of at most `limit` windows that are held out; nil if there are none.
    ///
    /// - Parameter other: a network of the same shape to measure instead of the one that learns.
    func validate(
        limit: Int, of other: ShadowNetwork? = nil
    ) throws(BitNetError) -> ValidationReport? {
        let network = other ?? network
        let length = configuration.shape.contextLength + 1
        let heldOut = try data.validationWindows(length: length, limit: limit)
        guard !heldOut.windows.isEmpty else { return nil }
        try check(heldOut.windows, isExact: false)
        network.clearDamage()
        var sum = 0.0
        var pass: [[Int32]] = []
        // Windows of a pass are equally long.
        for (index, window) in heldOut.windows.enumerated() {
            pass.append(window)
            let next = index + 1 < heldOut.windows.count ? heldOut.windows[index + 1].count : 0
            if next != window.count || pass.count == configuration.windowsPerPass {
                sum += network.loss(pass)
                pass = []
            }
        }
        guard sum.isFinite, !network.isDamaged else {
            throw .trainingDiverged(step: step, checkpoint: checkpoint)
        }
        let bits = sum / 0.693_147_180_559_945_3
        return ValidationReport(
            step: step, loss: sum / Double(heldOut.tokenCount), tokens: heldOut.tokenCount,
            bitsPerByte: heldOut.byteCount > 0 ? bits / Double(heldOut.byteCount) : nil)
    }

    /// Checks what the data gives: windows of whole length, or shorter ones of two tokens at least.
    private func check(_ windows: [[Int32]], isExact: Bool = true) throws(BitNetError) {
        let length = configuration.shape.contextLength + 1
        let vocabulary = Int32(configuration.shape.vocabularySize)
        for window in windows {
            guard window.count == length || (!isExact && (2..<length).contains(window.count)) else {
                throw .invalidArgument(
                    name: "data",
                    detail: "a window of \(window.count) tokens where \(length) were asked for")
            }
            if let token = window.first(where: { $0 < 0 || $0 >= vocabulary }) {
                throw .invalidArgument(
                    name: "data",
                    detail: "token \(token) is not in the vocabulary of \(vocabulary)")
            }
        }
    }
}
