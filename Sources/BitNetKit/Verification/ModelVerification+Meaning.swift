internal import Foundation

// What the file leaves open or may state wrongly: which way of computing predicts text.
//
// A model that was trained predicts a fixed text far better with the right activation function and
// the right direction of its scales than with any other: of the published 2B-4T the perplexity is 17
// with squared ReLU and 97 with SiLU, although every size and every code is right. Weights that were
// never trained, and embedding models, predict no better than chance either way; then only the
// magnitude of the weights says something, and only about scales.

/// The losses of each token of the fixed text.
struct TextLosses {
    let losses: [Double]
    var mean: Double { losses.reduce(0, +) / Double(max(1, losses.count)) }

    /// Infinite where numbers are not finite.
    init(
        _ transformer: Transformer, _ tokens: [Int], isCancelled: () -> Bool
    ) throws(BitNetError) {
        let context = try InferenceContext(
            transformer, contextLength: tokens.count, cache: .f32)
        var losses: [Double] = []
        do throws(BitNetError) {
            try context.forward(Array(tokens.dropLast()), isCancelled: isCancelled) {
                losses.append(Prediction($1).loss(of: tokens[$0 + 1]))
                return true
            }
        } catch .corruptTensor {
            losses = [.infinity]
        }
        self.losses = losses
    }

    /// Whether these are better than `other` by more than chance: three standard errors of the
    /// differences, and a twentieth of a nat.
    func isClearlyBetter(than other: TextLosses) -> Bool {
        guard other.mean.isFinite else { return mean.isFinite }
        guard losses.count == other.losses.count else { return false }
        var differences = Moments()
        for (mine, others) in zip(losses, other.losses) { differences.add(others - mine) }
        return differences.mean > max(0.05, 3 * differences.standardError)
    }
}

extension ModelVerification {
    /// The text's tokens, as many as say enough and fit the model.
    private func tokens(_ model: BitNetModel) throws(BitNetError) -> [Int] {
        let all = try Prompt.text(Self.text).tokens(for: model)
        return Array(all.prefix(min(160, model.configuration.contextLength)))
    }

    /// Notes the activation function and the direction of scales.
    ///
    /// - Parameter magnitude: what the loader says of weights that are too large, if anything.
    mutating func checkMeaning(
        _ model: BitNetModel, magnitude: String?, progress: (String) -> Void,
        isCancelled: () -> Bool
    ) throws(BitNetError) {
        let tokens: [Int]
        do throws(BitNetError) {
            tokens = try self.tokens(model)
        } catch .tokenizer {
            note(.activation, .skipped, "the tokenizer cannot be used, so that no text can be read")
            return noteMagnitude(model, magnitude)
        }
        let transformer = model.transformer
        progress("predicting a text as the file says")
        let stated = try TextLosses(transformer, tokens, isCancelled: isCancelled)
        let chance = log(Double(model.configuration.vocabularySize))
        // With a wrong activation function nothing could be said of scales.
        let (activation, best) = try checkActivation(
            model, tokens, stated, chance: chance, progress: progress, isCancelled: isCancelled)
        progress("predicting a text with scales the other way")
        let right =
            activation == model.configuration.activation
            ? transformer : transformer.with(activation)
        let inverse = try TextLosses(
            try right.withInverseScales(), tokens, isCancelled: isCancelled)
        guard min(best.mean, inverse.mean) < chance * Self.informative else {
            return noteMagnitude(model, magnitude)
        }
        let losses =
            "loss \(best.mean.short) nats a token as the file says, "
            + "\(inverse.mean.short) the other way"
        if inverse.isClearlyBetter(than: best) {
            note(.scale, .failed, "scales are meant the other way: \(losses)")
        } else {
            note(.scale, .passed, losses)
        }
    }

    /// The share of chance's loss below which a model predicts at all.
    private static let informative = 0.75

    /// Notes the activation function; returns the one that predicts best.
    private mutating func checkActivation(
        _ model: BitNetModel, _ tokens: [Int], _ stated: TextLosses, chance: Double,
        progress: (String) -> Void, isCancelled: () -> Bool
    ) throws(BitNetError) -> (Activation, TextLosses) {
        let activation = model.configuration.activation
        var best = (activation, stated)
        var words = ["\(activation.rawValue) \(stated.mean.short)"]
        for other in [Activation.squaredReLU, .silu, .gelu] where other != activation {
            progress("predicting a text with \(other.rawValue)")
            let losses = try TextLosses(
                model.transformer.with(other), tokens, isCancelled: isCancelled)
            words.append("\(other.rawValue) \(losses.mean.short)")
            if losses.isClearlyBetter(than: best.1) { best = (other, losses) }
        }
        let all = "nats a token of a text: " + words.joined(separator: ", ")
        if best.1.mean >= chance * Self.informative {
            note(
                .activation, .skipped,
                "no activation function predicts a text much better than chance "
                    + "(\(chance.short)), as with weights that were not trained to: \(all)")
        } else if best.0 != activation {
            note(
                .activation, .failed,
                "\(activation.rawValue) is wrong, \(best.0.rawValue) is right; \(all)")
        } else {
            note(.activation, .passed, all)
        }
        return best
    }

    /// Says of scales what the magnitude of the weights can say.
    private mutating func noteMagnitude(_ model: BitNetModel, _ magnitude: String?) {
        if let magnitude { return note(.scale, .failed, magnitude) }
        let scales = model.transformer.blocks.flatMap(\.linearLayers).map(\.weight.scale.largest)
        note(
            .scale, .passed,
            "by their magnitude alone, up to \((scales.max() ?? 0).short): the model predicts no "
                + "text, which would tell better")
    }
}

extension Double {
    /// Three digits behind the point.
    fileprivate var short: String { isFinite ? String(format: "%.3f", self) : "not finite" }
}
