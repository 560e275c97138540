internal import Foundation

/// Rotary position embedding on half-split pairs (Su et al. 2021, arXiv:2104.09864).
///
/// Angles are float32 products of a float32 position and float32 frequencies, as in transformers;
/// their sine and cosine are taken in double and rounded, which gives the same float32 everywhere.
package struct RotaryEmbedding: Sendable {
    private let inverseFrequencies: [Float]

    /// - Parameters:
    ///   - divisors: what each frequency is divided by (`rope_freqs` of Llama 3.1), or empty.
    ///   - scaling: the same as folders say it.
    package init(dimension: Int, base: Float, divisors: [Float] = [], scaling: RopeScaling? = nil) {
        let plain = RotaryEmbedding.frequencies(dimension: dimension, base: base)
        let scaled = scaling.map { scaling in plain.map { scaling.apply(to: $0) } } ?? plain
        inverseFrequencies =
            divisors.isEmpty ? scaled : zip(scaled, divisors).map { $0 / $1 }
    }

    static func frequencies(dimension: Int, base: Float) -> [Float] {
        (0..<dimension / 2).map { pair in
            let exponent = Float(2 * pair) / Float(dimension)
            return 1 / Float(pow(Double(base), Double(exponent)))
        }
    }

    /// Cosine and sine of every pair's angle at `position`.
    package func fill(position: Int, cos: BufferView<Float>, sin: BufferView<Float>) {
        for (pair, frequency) in inverseFrequencies.enumerated() {
            let angle = Double(Float(position) * frequency)
            cos[pair] = Float(Foundation.cos(angle))
            sin[pair] = Float(Foundation.sin(angle))
        }
    }
}

extension RopeScaling {
    /// What the frequencies of a head are divided by: how GGUF files say it.
    func divisors(dimension: Int, base: Float) -> [Float] {
        RotaryEmbedding.frequencies(dimension: dimension, base: base).map { $0 / apply(to: $0) }
    }
}
