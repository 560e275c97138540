public import BitNetKit
internal import Foundation

/// Everything that decides what a training gives, but the data.
///
/// ```swift
/// var configuration = TrainingConfiguration(shape: .small, length: .steps(4000))
/// configuration.windowsPerStep = 32
/// ```
public struct TrainingConfiguration: Sendable, Hashable, Codable {
    /// How long to train. In JSON `{"steps": 4000}` or `{"seconds": 1200}`.
    public enum Length: Sendable, Hashable {
        /// So many steps: the same weights in every run.
        case steps(Int)
        /// So many seconds of training, those before an interruption included. The schedule follows
        /// the clock, and two runs differ.
        case seconds(Double)
    }

    /// A model to learn from besides the text.
    ///
    /// Measured with the shape `tiny`, 400 steps of 2048 tokens, the sample model (5 M parameters) as
    /// the teacher and three seeds: 1.2 to 2.3% fewer bits per byte of held-out text than without, in
    /// 2.4 times the time. As much time without a teacher, 1050 steps, gave 17 to 19% fewer than with
    /// it: a teacher did not help where time is what is short.
    public struct Distillation: Sendable, Hashable, Codable {
        /// The teacher's file or folder, for whoever goes on from a checkpoint.
        public var teacher: String
        /// The share of the teacher in the loss, in [0, 1]; the rest is the text's.
        public var weight: Float
        /// What all logits are divided by before predictions are compared; more than 1 gives weight
        /// to unlikely tokens.
        public var temperature: Float
        /// Tells the teacher from another model. A trainer sets it, and then goes on with no other.
        public var fingerprint: String?

        /// Distillation from a teacher; the numbers are what is usual.
        public init(
            teacher: String, weight: Float = 0.5, temperature: Float = 2,
            fingerprint: String? = nil
        ) {
            self.teacher = teacher
            self.weight = weight
            self.temperature = temperature
            self.fingerprint = fingerprint
        }
    }

    /// The model.
    public var shape: NetworkShape
    /// How long to train.
    public var length: Length
    /// Windows of `shape.contextLength` tokens in a step.
    public var windowsPerStep: Int
    /// Learning rate and weight decay.
    public var schedule: TrainingSchedule
    /// AdamW's decay of the mean gradient.
    public var beta1: Float
    /// AdamW's decay of the mean square.
    public var beta2: Float
    /// AdamW's epsilon.
    public var epsilon: Float
    /// Gradients of a larger norm are scaled down to it; 0 for never.
    public var clipNorm: Float
    /// Seed of the first weights.
    public var seed: UInt64
    /// The model to learn from besides the text; nil for none.
    public var distillation: Distillation?

    /// A configuration; what is not given is what trains small models well.
    public init(
        shape: NetworkShape = .small, length: Length = .steps(1000), windowsPerStep: Int = 16,
        schedule: TrainingSchedule = TrainingSchedule(), beta1: Float = 0.9, beta2: Float = 0.95,
        epsilon: Float = 1e-8, clipNorm: Float = 1, seed: UInt64 = 1,
        distillation: Distillation? = nil
    ) {
        self.shape = shape
        self.length = length
        self.windowsPerStep = windowsPerStep
        self.schedule = schedule
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.clipNorm = clipNorm
        self.seed = seed
        self.distillation = distillation
    }

    /// Windows that are computed together; the others of a step follow, and their gradients add up.
    /// About 1024 tokens: what lies between the passes stays near the cores.
    var windowsPerPass: Int { max(1, min(windowsPerStep, 1024 / shape.contextLength)) }

    /// Checks that the numbers make a training.
    ///
    /// - Throws: `BitNetError.invalidArgument`, which names the number as JSON has it, such as
    ///   `shape.hiddenSize`.
    public func validate() throws(BitNetError) {
        do throws(BitNetError) { try shape.validate() } catch { throw error.inside("shape") }
        do throws(BitNetError) { try schedule.validate() } catch { throw error.inside("schedule") }
        switch length {
        case .steps(let steps):
            try require(
                steps >= 1 && steps <= 1 << 40, "length.steps", "\(steps) is not in 1 ... 2^40")
        case .seconds(let seconds):
            try require(
                seconds > 0 && seconds <= 1e9, "length.seconds",
                "\(seconds) s is not in 0 ... 10^9 s")
        }
        try require(
            windowsPerStep >= 1 && windowsPerStep <= 1 << 16, "windowsPerStep",
            "\(windowsPerStep) is not in 1 ... 65536")
        for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
            try require(beta >= 0 && beta < 1, name, "\(beta) is not in 0 ..< 1")
        }
        try require(epsilon > 0 && epsilon.isFinite, "epsilon", "\(epsilon) is not usable")
        try require(clipNorm >= 0 && clipNorm.isFinite, "clipNorm", "\(clipNorm) is not usable")
        guard let distillation else { return }
        let (weight, temperature) = (distillation.weight, distillation.temperature)
        try require(
            weight >= 0 && weight <= 1, "distillation.weight", "\(weight) is not in 0 ... 1")
        try require(
            temperature >= 0.01 && temperature <= 100, "distillation.temperature",
            "\(temperature) is not in 0.01 ... 100")
    }
}

extension BitNetError {
    /// The error of a member, which is part of `name`.
    fileprivate func inside(_ name: String) -> BitNetError {
        guard case .invalidArgument(let member, let detail) = self else { return self }
        return .invalidArgument(name: "\(name).\(member)", detail: detail)
    }
}

extension TrainingConfiguration.Length: Codable {
    private enum CodingKeys: String, CodingKey {
        case steps, seconds
    }

    /// Reads `{"steps": 4000}` or `{"seconds": 1200}`. Early checkpoints have the number in an object,
    /// as its member `_0`.
    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        func number<Value: Decodable>(_ key: CodingKeys, _ type: Value.Type) throws -> Value {
            let early = try? members.decode([String: Value].self, forKey: key)
            return try early?["_0"] ?? members.decode(type, forKey: key)
        }
        switch (members.contains(.steps), members.contains(.seconds)) {
        case (true, false): self = .steps(try number(.steps, Int.self))
        case (false, true): self = .seconds(try number(.seconds, Double.self))
        default:
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "it must have either steps or seconds"))
        }
    }

    /// Writes one of the two forms.
    public func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .steps(let steps): try members.encode(steps, forKey: .steps)
        case .seconds(let seconds): try members.encode(seconds, forKey: .seconds)
        }
    }
}

extension TrainingConfiguration {
    /// What a training with this configuration goes on with, if that shall be `other` now: its length,
    /// schedule, clipping, AdamW's numbers, and where the teacher is. All else stays: it decides what
    /// the steps that are done have learnt. The vocabulary's size is the tokenizer's in any case.
    ///
    /// - Throws: `BitNetError.invalidArgument` where something else differs; a distillation may be
    ///   left out.
    func changed(to other: TrainingConfiguration) throws(BitNetError) -> TrainingConfiguration {
        try other.validate()
        var result = other
        result.shape.vocabularySize = shape.vocabularySize
        result.distillation = result.distillation ?? distillation
        if distillation != nil { result.distillation?.fingerprint = distillation?.fingerprint }
        let (before, after) = (members, result.members)
        let differing = Set(before.keys).union(after.keys).sorted().filter { name in
            before[name] != after[name]
                && !["length", "schedule", "clipNorm", "beta1", "beta2", "epsilon"].contains(
                    name.prefix { $0 != "." })
                && name != "distillation.teacher"
        }
        guard let name = differing.first else { return result }
        let others = differing.dropFirst()
        throw .invalidArgument(
            name: name,
            detail: "the training has begun with \(before[name] ?? "none"), not "
                + (after[name] ?? "none")
                + (others.isEmpty ? "" : " (others differ too: \(others.joined(separator: ", ")))")
                + "; length, schedule, clipNorm, beta1, beta2 and epsilon may change, for all else "
                + "begin anew")
    }

    /// Every number and text by its name in JSON, such as `shape.hiddenSize`.
    package var members: [String: String] {
        var result: [String: String] = [:]
        func add(_ value: Any, _ name: String) {
            guard let members = value as? [String: Any] else { return result[name] = "\(value)" }
            for (key, member) in members { add(member, name.isEmpty ? key : "\(name).\(key)") }
        }
        if let json = try? JSONEncoder().encode(self),
            let members = try? JSONSerialization.jsonObject(with: json)
        {
            add(members, "")
        }
        return result
    }

    /// Checks that `teacher` is the model that the distillation is from, and keeps what tells it from
    /// others.
    mutating func check(_ teacher: BitNetModel?) throws(BitNetError) {
        guard let distillation else {
            guard teacher == nil else {
                throw .invalidArgument(
                    name: "teacher",
                    detail: "there is one, but the configuration has no distillation")
            }
            return
        }
        guard let teacher else {
            throw .invalidArgument(
                name: "teacher",
                detail: "the model \(distillation.teacher) is needed to learn from")
        }
        let found = String(teacher.fingerprint, radix: 16)
        guard distillation.fingerprint ?? found == found else {
            throw .invalidArgument(
                name: "teacher",
                detail: "this is another model than \(distillation.teacher), from which the "
                    + "training began to learn; go on with that")
        }
        self.distillation?.fingerprint = found
    }
}
