internal import Foundation

/// The scaling of rotary frequencies in Llama 3.1 and later (`rope_type: llama3`): slow rotations
/// are slowed further, so that positions beyond the original context stay apart.
public struct RopeScaling: Sendable, Hashable {
    /// What the slowest frequencies are divided by.
    public internal(set) var factor: Float
    /// Rotations in the original context below which a frequency is divided by `factor`.
    public internal(set) var lowFrequencyFactor: Float
    /// Rotations in the original context above which a frequency stays as it is.
    public internal(set) var highFrequencyFactor: Float
    /// Tokens of the original context.
    public internal(set) var originalContextLength: Int

    func validate(path: String) throws(BitNetError) {
        let isUsable =
            factor.isFinite && factor >= 1 && lowFrequencyFactor > 0
            && highFrequencyFactor.isFinite && highFrequencyFactor > lowFrequencyFactor
            && originalContextLength > 0 && originalContextLength <= 1 << 24
        guard isUsable else {
            throw .invalidMetadata(
                path: path, key: "rope_scaling",
                detail: "factor \(factor), low_freq_factor \(lowFrequencyFactor), "
                    + "high_freq_factor \(highFrequencyFactor) and "
                    + "original_max_position_embeddings \(originalContextLength) are not usable")
        }
    }

    /// The scaled frequency, with the operations of transformers in float32.
    func apply(to frequency: Float) -> Float {
        let context = Float(originalContextLength)
        let wavelength = Float(2 * Double.pi) / frequency
        if wavelength > context / lowFrequencyFactor { return frequency / factor }
        if wavelength < context / highFrequencyFactor { return frequency }
        let smooth =
            (context / wavelength - lowFrequencyFactor)
            / (highFrequencyFactor - lowFrequencyFactor)
        return (1 - smooth) * frequency / factor + smooth * frequency
    }
}
