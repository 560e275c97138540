internal import BitNetKit

/// A trained model whose predictions a network learns besides the text: knowledge distillation
/// (Hinton et al. 2015, arXiv:1503.02531).
///
/// With softmax at temperature T, t the teacher's logits and z the network's, a token's loss is
///
///     (1 - w) cross entropy(z) + w T^2 KL(softmax(t / T) || softmax(z / T))
///
/// whose gradient at z is `(1 - w) (softmax(z) - target) + w T (softmax(z / T) - softmax(t / T))`.
/// Has one owner at a time, and reads the tokens of a pass in their order.
final class Teacher: @unchecked Sendable {
    private let context: InferenceContext
    private let weight, temperature: Float
    /// The teacher's logits of some tokens, `[logitTokens, vocabulary]`.
    private let logits: AlignedBuffer<Float>
    /// For each thread the network's logits, and how the teacher's differ.
    private let scratch: ThreadScratch
    private let divergences: AlignedBuffer<Double>
    private let vocabulary: Int
    /// The sum of KL divergences, in nats at the temperature, since `begin`.
    private(set) var divergence = 0.0
    /// Why the teacher has no predictions for a token since `begin`: what came out then is of no use.
    private(set) var failure: BitNetError?

    /// - Throws: `BitNetError.invalidArgument` for a teacher of another vocabulary or with too small a
    ///   context, `.outOfMemory`.
    init(
        _ model: BitNetModel, weight: Float, temperature: Float, network: ShadowNetwork
    ) throws(BitNetError) {
        let (shape, teacher) = (network.shape, model.configuration)
        guard teacher.vocabularySize == shape.vocabularySize else {
            throw .invalidArgument(
                name: "teacher",
                detail: "its vocabulary has \(teacher.vocabularySize) tokens, that of the model to "
                    + "train \(shape.vocabularySize); take a teacher with the same tokenizer")
        }
        guard teacher.contextLength >= shape.contextLength else {
            throw .invalidArgument(
                name: "teacher",
                detail: "its context is \(teacher.contextLength) tokens, a window "
                    + "\(shape.contextLength); take another teacher or a smaller context")
        }
        context = try InferenceContext(
            model.transformer, contextLength: shape.contextLength, cache: .f32)
        (self.weight, self.temperature) = (weight, temperature)
        vocabulary = shape.vocabularySize
        let tokens = network.buffers.logitTokens
        logits = try AlignedBuffer(count: tokens * vocabulary, purpose: "a teacher's logits")
        divergences = try AlignedBuffer(count: tokens, purpose: "a teacher's logits")
        scratch = try ThreadScratch(
            threads: network.compute.pool.threads, floats: 2 * vocabulary, trits: 0, gemm: 0)
    }

    func begin() { (divergence, failure) = (0, nil) }

    /// Predicts the tokens after `tokens` of a batch, those that follow the ones of the last call.
    func read(_ tokens: Range<Int>, of batch: SequenceBatch) {
        guard failure == nil else { return }
        var begin = tokens.lowerBound
        while begin < tokens.upperBound {
            let place = begin % batch.length
            let end = min(begin - place + batch.length, tokens.upperBound)
            if place == 0 { context.rewind(to: 0) }
            do throws(BitNetError) {
                let part = batch.tokens[begin..<end].map { Int($0) }
                try context.forward(part, isCancelled: { false }) { index, values in
                    let row = self.row(begin + index - tokens.lowerBound)
                    for token in values.indices { row[token] = values[token] }
                    return true
                }
            } catch {
                failure = error
                return
            }
            begin = end
        }
    }

    private func row(_ index: Int) -> BufferView<Float> {
        logits.view[index * vocabulary..<(index + 1) * vocabulary]
    }

    /// The cross entropy of a token's logits, whose place the gradient of its whole loss times
    /// `factor` takes.
    ///
    /// - Parameter index: the token's place among those of `read`.
    func loss(
        _ z: BufferView<Float>, index: Int, target: Int, factor: Float, thread: Int,
        kernels: KernelSet
    ) -> Double {
        let memory = scratch.floats(thread)
        let (student, difference) = (memory[0..<vocabulary], memory.from(vocabulary))
        let teacher = row(index)
        for token in 0..<vocabulary {
            student[token] = z[token] / temperature
            teacher[token] /= temperature
            difference[token] = teacher[token] - student[token]
        }
        let firsts = (Double(student[0]), Double(teacher[0]))
        // Each becomes its softmax, less 1 in the first place; the loss is the logarithm of the sum,
        // less the first.
        let studentSum = kernels.crossEntropy(student, target: 0, factor: 1) + firsts.0
        let teacherSum = kernels.crossEntropy(teacher, target: 0, factor: 1) + firsts.1
        let loss = kernels.crossEntropy(z, target: target, factor: factor * (1 - weight))
        let share = factor * weight * temperature
        var mean = Double(difference[0])
        for token in 0..<vocabulary {
            mean += Double(teacher[token]) * Double(difference[token])
            z[token] += share * (student[token] - teacher[token])
        }
        divergences.view[index] = mean - teacherSum + studentSum
        return loss
    }

    /// Adds the divergences of the tokens of the last `read`, in their order.
    func count(_ tokens: Range<Int>) {
        for index in 0..<tokens.count { divergence += divergences.view[index] }
    }
}
