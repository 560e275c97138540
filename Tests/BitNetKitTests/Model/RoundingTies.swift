import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Tells a rounding tie from a wrong result.
///
/// An activation that lies within float noise of the middle between two int8 values may be rounded
/// either way by correct implementations, and that moves every later logit. The
/// reference marks positions where two implementations happened to agree, but ties as close as the
/// last bit of a float32 are among them. Where logits differ, this nudges the activations that lie
/// within `noise` of a tie, one at a time, to their other neighbour: a difference that such nudges
/// remove is a tie, any other is an error.
struct RoundingTies {
    let model: BitNetModel
    let sequence: ReferenceCheckpoint.Expected.Sequence

    /// Distance from a tie, in units of the int8 grid: two ulps of a float32 between 16 and 128.
    private let noise: Float = 1.6e-5

    /// One activation, before it is rounded.
    private struct Place: Hashable {
        let layer: Int
        /// The step whose values can be nudged: what is rounded, or what its sub-norm takes.
        let step: String
        let token: Int
        let column: Int
    }

    /// The largest difference from the reference that ties do not explain.
    func worstDifference(_ rows: [[Float]]) throws -> Float {
        var (firstBad, worst) = difference(rows)
        var nudged: [Place: Float] = [:]
        while let position = firstBad, nudged.count < 4 {
            // Only a tie at or before the first different position can be its cause.
            let candidates = try nearTies(nudging: nudged).filter { $0.key.token <= position }
            var better: (nudged: [Place: Float], bad: Int?, worst: Float)?
            for (place, factor) in candidates where nudged[place] == nil {
                let trial = nudged.merging([place: factor]) { $1 }
                let (bad, worst) = difference(try run(nudging: trial) { _, _, _ in })
                let isBetter = (bad ?? .max) > (better.map { $0.bad ?? .max } ?? position)
                if isBetter { better = (trial, bad, worst) }
            }
            guard let better else { break }
            (nudged, firstBad, worst) = (better.nudged, better.bad, better.worst)
        }
        return worst
    }

    /// The first position that differs by 1e-3 or more, and the largest difference of all.
    private func difference(_ rows: [[Float]]) -> (firstBad: Int?, worst: Float) {
        var firstBad: Int?
        var worst: Float = 0
        for (position, row) in rows.enumerated() {
            var here = sequence.top[position].map { abs(row[Int($0[0])] - $0[1]) }.max() ?? 0
            if position == rows.count - 1, let last = sequence.last_logits {
                here = max(here, zip(row, last).map { abs($0 - $1) }.max() ?? 0)
            }
            if here >= 1e-3 && firstBad == nil { firstBad = position }
            worst = max(worst, here)
        }
        return (firstBad, worst)
    }

    /// What is rounded, and the step whose values are still unrounded (before a sub-norm, if any).
    private static let steps = [
        "attn_norm": "attn_norm", "o_input": "attn_before_sub_norm", "ffn_norm": "ffn_norm",
        "down_input": "ffn_before_sub_norm",
    ]

    /// Activations close to a tie, and the factor that takes each to the other side of it.
    private func nearTies(nudging places: [Place: Float]) throws -> [Place: Float] {
        var ties: [Place: Float] = [:]
        try run(nudging: places) { layer, name, values in
            guard let step = RoundingTies.steps[name] else { return }
            for token in 0..<values.rows {
                let x = values[token].array
                let scale = 1 / max(x.map(abs).max() ?? 0, 1e-5) * 127
                for (column, value) in x.enumerated() {
                    let grid = value * scale
                    // Just above a tie the nearest integer is above, and the remainder negative.
                    let remainder = grid.remainder(dividingBy: 1)
                    guard 0.5 - abs(remainder) < noise else { continue }
                    let shift = remainder < 0 ? -2 * noise : 2 * noise
                    let place = Place(layer: layer, step: step, token: token, column: column)
                    ties[place] = 1 + shift / grid
                }
            }
        }
        return ties
    }

    @discardableResult
    private func run(
        nudging places: [Place: Float], _ observe: @escaping (Int, String, Activations) -> Void
    ) throws -> [[Float]] {
        let context = try InferenceContext(
            model.transformer, contextLength: sequence.tokens.count, cache: .f32)
        context.probe { step, layer, values in
            let (layer, name) = (layer ?? -1, step.rawValue)
            for (place, factor) in places where place.layer == layer && place.step == name {
                values[place.token][place.column] *= factor
            }
            observe(layer, name, values)
        }
        return try context.allLogits(sequence.tokens)
    }
}
