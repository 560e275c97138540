internal import BitNetKit

/// The input of a linear layer for all tokens of a pass, kept for the backward pass: int8 with a
/// scale for each token, or floats where nothing is rounded.
final class LinearInput: @unchecked Sendable {
    let columns: Int
    /// Elements from one token's int8 to the next.
    let stride: Int
    let values: AlignedBuffer<Int8>
    let scales: AlignedBuffer<Float>
    let sums: AlignedBuffer<Int32>
    let floats: AlignedBuffer<Float>

    init(tokens: Int, columns: Int, isRounded: Bool) throws(BitNetError) {
        self.columns = columns
        stride = (columns + KernelSet.activationPadding + 63) / 64 * 64
        let purpose = "inputs of linear layers"
        values = try AlignedBuffer(count: isRounded ? tokens * stride : 0, purpose: purpose)
        scales = try AlignedBuffer(count: isRounded ? tokens : 0, purpose: purpose)
        sums = try AlignedBuffer(count: isRounded ? tokens : 0, purpose: purpose)
        floats = try AlignedBuffer(count: isRounded ? 0 : tokens * columns, purpose: purpose)
    }

    private var isRounded: Bool { scales.count > 0 }

    /// Normalises a token's vector and keeps it.
    ///
    /// - Parameter scratch: at least `columns` floats.
    /// - Returns: what the norm multiplied by, 0 or NaN where that cannot be said.
    func store(
        _ x: BufferView<Float>, token: Int, norm: BufferView<Float>, epsilon: Float,
        scratch: BufferView<Float>, kernels: KernelSet
    ) -> Float {
        guard isRounded else {
            let row = floats.view[token * columns..<(token + 1) * columns]
            return kernels.rmsNorm(x, weight: norm, epsilon: epsilon, into: row)
        }
        let normed = scratch[0..<columns]
        let factor = kernels.rmsNorm(x, weight: norm, epsilon: epsilon, into: normed)
        (scales.view[token], sums.view[token]) = kernels.quantize(
            normed, into: values.view[token * stride..<(token + 1) * stride])
        return factor
    }

    /// What the gradient of weights is multiplied with.
    func factor(tokens: Int) -> RightFactor {
        isRounded
            ? .int8(
                values.view, rows: tokens, columns: columns, stride: stride, scales: scales.view)
            : .matrix(MatrixView(floats.view, rows: tokens, columns: columns))
    }
}
