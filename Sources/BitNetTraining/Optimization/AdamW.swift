internal import BitNetKit

/// The moments of every parameter's gradient, and the step that uses them (Loshchilov and Hutter
/// 2019, arXiv:1711.05101).
final class AdamW: @unchecked Sendable {
    let mean, square: AlignedBuffer<Float>

    init(count: Int) throws(BitNetError) {
        mean = try AlignedBuffer(count: count, purpose: "the optimiser's moments")
        square = try AlignedBuffer(count: count, purpose: "the optimiser's moments")
    }

    /// What one step takes besides gradients.
    struct Step {
        var rate: Float
        var decay: Float
        var beta1: Float
        var beta2: Float
        var epsilon: Float
        /// What gradients are multiplied by.
        var gradientFactor: Float
        /// Which step it is, the first being 1.
        var number: Int
    }

    /// The norm of all gradients: squares in blocks of a fixed size, then over the blocks in order.
    static func norm(_ gradients: BufferView<Float>, compute: Compute) -> Double {
        let size = 1 << 14
        let blocks = (gradients.count + size - 1) / size
        let sums = [Double](unsafeUninitializedCapacity: blocks) { buffer, count in
            let view = BufferView(base: buffer.baseAddress!, count: blocks)
            compute.pool.parallel(blocks, work: gradients.count * elementWork) { _, range in
                for block in range {
                    view[block] = compute.kernels.sumOfSquares(
                        gradients[block * size..<min((block + 1) * size, gradients.count)])
                }
            }
            count = blocks
        }
        return sums.reduce(0, +).squareRoot()
    }

    /// Changes the parameters of `network`. Only matrices decay, the embedding among them.
    func apply(_ step: Step, to network: ShadowNetwork) {
        for tensor in network.layout.tensors {
            let decays = tensor.shape.count == 2
            let factors = AdamWFactors(
                gradientFactor: step.gradientFactor,
                decay: decays ? 1 - step.rate * step.decay : 1, beta1: step.beta1,
                beta2: step.beta2,
                rate: Float(Double(step.rate) / (1 - power(step.beta1, step.number))),
                rootFactor: Float(1 / (1 - power(step.beta2, step.number)).squareRoot()),
                epsilon: step.epsilon)
            let work = tensor.count * elementWork * 2
            network.compute.pool.parallel(tensor.count, granule: 16, work: work) { _, range in
                let place = tensor.offset + range.lowerBound..<tensor.offset + range.upperBound
                network.compute.kernels.adamW(
                    factors, gradient: network.gradient(place), weights: network.parameter(place),
                    mean: self.mean.view[place], square: self.square.view[place])
            }
        }
    }

    /// By repeated squaring: the C library's `pow` may differ in the last bit between platforms.
    private func power(_ base: Float, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, Double(base), exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}
