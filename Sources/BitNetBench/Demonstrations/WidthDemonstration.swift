#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How finely a neuron with ternary weights can hit a number, by its width.
///
/// A neuron's output is to be what float weights would give. Rounding each weight for itself leaves
/// an error in proportion to the output, however wide the neuron is. Choosing the trits so that what
/// one leaves over the next ones make up for (error diffusion; training finds such choices) leaves
/// about the error of a single switch: the more switches, the finer the neuron.
///
/// ```swift
/// for row in WidthDemonstration.run() { print(row.width, row.rounded, row.chosen) }
/// ```
public struct WidthDemonstration: Sendable, Hashable, Codable {
    /// Inputs of the neurons.
    public let width: Int
    /// Root mean square of the error relative to that of the float outputs: of trits that are each
    /// rounded for itself, and of trits that are chosen together.
    public let rounded, chosen: Double

    /// The errors for widths from 16 to 65,536, each over `neurons` random neurons.
    public static func run(seed: UInt64 = 1, neurons: Int = 100) -> [WidthDemonstration] {
        var random = SeededGenerator(seed: seed)
        return (4...16).map { exponent in measure(1 << exponent, neurons: neurons, &random) }
    }

    private static func measure(
        _ width: Int, neurons: Int, _ random: inout SeededGenerator
    ) -> WidthDemonstration {
        var (outputs, rounded, chosen) = (0.0, 0.0, 0.0)
        // The mean magnitude of weights of the normal distribution.
        let scale = Float((2 / Double.pi).squareRoot())
        for _ in 0..<max(1, neurons) {
            var (exact, nearest, diffused) = (0.0, 0.0, 0.0)
            for _ in 0..<width {
                let (weight, input) = (random.gaussian(), random.gaussian())
                exact += Double(weight * input)
                nearest += Double(trit(weight / scale) * scale * input)
                // What the sum lacks, carried by this switch as far as it can.
                let step = scale * input
                let wanted = Float(exact - diffused)
                diffused += Double(trit(step == 0 ? 0 : wanted / step) * step)
            }
            outputs += exact * exact
            rounded += (nearest - exact) * (nearest - exact)
            chosen += (diffused - exact) * (diffused - exact)
        }
        return WidthDemonstration(
            width: width, rounded: (rounded / outputs).squareRoot(),
            chosen: (chosen / outputs).squareRoot())
    }

    private static func trit(_ value: Float) -> Float {
        max(-1, min(1, value.rounded(.toNearestOrEven)))
    }
}
