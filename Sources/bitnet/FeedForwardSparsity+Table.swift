import BitNetKit
import Foundation

extension FeedForwardSparsity {
    /// Zeros and what was left out for them, a line for each layer and one for all.
    var table: String {
        var lines = [
            "             rows of up    columns of down       MB of weights",
            "layer    zero  left out     zero  left out      read    of all",
        ]
        for (index, layer) in layers.enumerated() {
            lines.append(
                Self.line(
                    "\(index)", [layer.gateZeroShare, layer.upSkippedShare],
                    [layer.downZeroShare, layer.downSkippedShare],
                    [layer.bytesRead, layer.bytesDense]))
        }
        lines.append(
            Self.line(
                "all", [gateZeroShare, upSkippedShare], [downZeroShare, downSkippedShare],
                [bytesRead, bytesDense]))
        if silentShare > 0 {
            let most = layers.indices.max { layers[$0].silentShare < layers[$1].silentShare } ?? 0
            lines.append(
                String(
                    format: "silent neurons, not loaded: %.1f%%, most in layer %d: %.1f%%",
                    silentShare * 100, most, layers[most].silentShare * 100))
        }
        return lines.joined(separator: "\n")
    }

    private static func line(
        _ name: String, _ up: [Double], _ down: [Double], _ bytes: [Int]
    ) -> String {
        name.leftPadded(to: 5)
            + String(
                format: "%7.1f%% %8.1f%% %7.1f%% %8.1f%%", up[0] * 100, up[1] * 100, down[0] * 100,
                down[1] * 100)
            + String(format: " %9.1f %9.1f", Double(bytes[0]) / 1e6, Double(bytes[1]) / 1e6)
    }
}
