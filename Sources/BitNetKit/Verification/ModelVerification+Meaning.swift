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

    init(losses: [Double]) { self.losses = losses }

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

    /// By how many nats a token one way of computing is better than another, on average, and the
    /// standard error of that.
    struct Lead: CustomStringConvertible {
        let mean, standardError: Double

        var description: String { "\(mean.short) +- \(standardError.short)" }
    }

    /// The lead over `other`; nil where numbers are not finite.
    func lead(over other: TextLosses) -> Lead? {
        guard mean.isFinite, other.mean.isFinite, losses.count == other.losses.count else {
            return nil
        }
        var differences = Moments()
        for (mine, others) in zip(losses, other.losses) { differences.add(others - mine) }
        return Lead(mean: differences.mean, standardError: differences.standardError)
    }

    /// Whether these are better than `other` by more than chance: three standard errors of the
    /// differences, and a twentieth of a nat.
    func isClearlyBetter(than other: TextLosses) -> Bool {
        guard other.mean.isFinite else { return mean.isFinite }
        guard let lead = lead(over: other) else { return false }
        return lead.mean > max(0.05, 3 * lead.standardError)
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
    /// - Parameter doubt: what is odd about the magnitude of scales, if anything.
    mutating func checkMeaning(
        _ model: BitNetModel, doubt: ScaleDoubt?, progress: (String) -> Void,
        isCancelled: () -> Bool
    ) throws(BitNetError) {
        let tokens: [Int]
        do throws(BitNetError) {
            tokens = try self.tokens(model)
        } catch .tokenizer {
            note(.activation, .skipped, "the tokenizer cannot be used, so that no text can be read")
            return noteMagnitude(model, doubt)
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
            return noteMagnitude(model, doubt)
        }
        let losses =
            "loss \(best.mean.short) nats a token as the file says, "
            + "\(inverse.mean.short) the other way"
        let figures = ["as stated": best.mean, "inverse": inverse.mean]
        if inverse.isClearlyBetter(than: best) {
            note(.scale, .failed, "scales are meant the other way: \(losses)", figures: figures)
        } else if inverse.mean < best.mean {
            note(
                .scale, .undecided,
                losses + ", which is better by \(Self.words(inverse.lead(over: best))), too little "
                    + "to tell",
                figures: figures)
        } else {
            note(.scale, .passed, losses, figures: figures)
        }
    }

    /// The share of chance's loss below which a model predicts at all.
    private static let informative = 0.75

    /// Notes the activation function; returns the one that is clearly the best, which the file's is
    /// unless another is.
    private mutating func checkActivation(
        _ model: BitNetModel, _ tokens: [Int], _ stated: TextLosses, chance: Double,
        progress: (String) -> Void, isCancelled: () -> Bool
    ) throws(BitNetError) -> (Activation, TextLosses) {
        let activation = model.configuration.activation
        var best = (activation, stated)
        var all = [best]
        for other in [Activation.squaredReLU, .silu, .gelu] where other != activation {
            progress("predicting a text with \(other.rawValue)")
            let losses = try TextLosses(
                model.transformer.with(other), tokens, isCancelled: isCancelled)
            all.append((other, losses))
            if losses.isClearlyBetter(than: best.1) { best = (other, losses) }
        }
        let (outcome, detail) = Self.judge(all, best: best, chance: chance)
        let words = all.map { "\($0.0.rawValue) \($0.1.mean.short)" }.joined(separator: ", ")
        var figures: [String: Double] = [:]
        for (activation, losses) in all { figures[activation.rawValue] = losses.mean }
        note(.activation, outcome, "\(detail); nats a token: \(words)", figures: figures)
        return best
    }

    /// What the losses of activation functions say of the first of them, which is the file's.
    static func judge(
        _ all: [(Activation, TextLosses)], best: (Activation, TextLosses), chance: Double
    ) -> (Outcome, String) {
        let (activation, stated) = all[0]
        let rival = all.dropFirst().min { $0.1.mean < $1.1.mean } ?? all[0]
        if best.1.mean >= chance * informative {
            return (
                .undecided,
                "none predicts a text much better than chance (\(chance.short)), as with weights that "
                    + "were not trained to"
            )
        }
        if best.0 != activation {
            return (.failed, "\(activation.rawValue) is wrong, \(best.0.rawValue) is right")
        }
        if rival.1.mean < stated.mean {
            return (
                .undecided,
                "\(rival.0.rawValue) predicts a text better than \(activation.rawValue), but by "
                    + "\(words(rival.1.lead(over: stated))), too little to tell"
            )
        }
        return (
            .passed,
            "\(activation.rawValue) predicts a text best, by \(words(stated.lead(over: rival.1)))"
        )
    }

    private static func words(_ lead: TextLosses.Lead?) -> String {
        lead.map { "\($0)" } ?? "more than can be counted"
    }

    /// Says of scales what the magnitude of the weights can say: that they are wrong, not that they
    /// are right.
    private mutating func noteMagnitude(_ model: BitNetModel, _ doubt: ScaleDoubt?) {
        if let doubt { return note(.scale, .failed, "by their magnitude: \(doubt)") }
        let scales = model.transformer.blocks.flatMap(\.linearLayers).map(\.weight.scale.largest)
        note(
            .scale, .undecided,
            "up to \((scales.max() ?? 0).short), a magnitude that models have; the model predicts no "
                + "text, which would tell more")
    }
}

extension Double {
    /// Three digits behind the point.
    fileprivate var short: String { isFinite ? String(format: "%.3f", self) : "not finite" }
}
