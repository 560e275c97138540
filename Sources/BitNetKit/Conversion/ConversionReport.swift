internal import Foundation

/// What a conversion has written.
///
/// ```swift
/// let report = try BitNetConverter.convert(from: folder, to: file)
/// print(report)  // one line
/// print(report.table)  // one line for every tensor
/// ```
public struct ConversionReport: Sendable, Hashable, Codable, CustomStringConvertible {
    /// One tensor of the new file.
    public struct Entry: Sendable, Hashable, Codable {
        /// The tensor's name in the new file.
        public let name: String
        /// How the source stored it; nil where it had no such tensor.
        public let sourceType: ElementType?
        /// How it is stored in the new file.
        public let type: ElementType
        /// `[rows, columns]`, or `[count]` of a vector.
        public let shape: [Int]
        /// Weight scale of a ternary matrix, as the new file holds it; of several the largest.
        public let scale: Float?
        /// How many scales a ternary matrix has, 0 for other tensors.
        public let scaleCount: Int
        /// Share of zeros of a ternary matrix, in [0, 1].
        public let zeroShare: Double?
        /// Squared difference between what the new file holds and what the source means, relative to
        /// the squared weights: 0 where nothing was lost. Master weights mean what they are rounded
        /// to when the model runs.
        public let relativeError: Double
    }

    /// The new file.
    public internal(set) var path: String
    /// All tensors, in the order of the file.
    public internal(set) var tensors: [Entry] = []
    /// Size of the file in bytes.
    public internal(set) var byteCount = 0
    /// What is odd about the source, but no error, and what was changed on purpose.
    public internal(set) var warnings: [String] = []

    /// File, tensors, weights, zeros and size, on one line.
    public var description: String {
        let ternary = tensors.filter { $0.scale != nil }
        let weights = ternary.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let zeros = ternary.reduce(0.0) { $0 + ($1.zeroShare ?? 0) * Double($1.shape.reduce(1, *)) }
        let share = weights > 0 ? zeros / Double(weights) * 100 : 0
        let rounded = tensors.count { $0.relativeError > 0 }
        return
            "\(path): \(counted(tensors.count, "tensor")), \(ternary.count) of them ternary with "
            + "\(weights) weights, \(Int(share.rounded()))% zero; \(rounded) rounded; "
            + "\(byteCount) bytes"
    }

    /// A line for each tensor: name, shape, types, scale, share of zeros, error.
    public var table: String {
        let head = ["tensor", "shape", "from", "to", "scale", "zeros", "error"]
        return ([head] + tensors.map(\.columns)).table(separator: "  ")
    }
}

extension ConversionReport.Entry {
    fileprivate var columns: [String] {
        let several = scaleCount > 1 ? " (largest of \(scaleCount))" : ""
        let share = zeroShare.map { String(format: "%.1f%%", $0 * 100) } ?? "-"
        return [
            name, shape.map { "\($0)" }.joined(separator: "x"), sourceType?.rawValue ?? "-",
            type.rawValue, scale.map { String(format: "%.6g", $0) + several } ?? "-", share,
            relativeError == 0 ? "0" : String(format: "%.2e", relativeError),
        ]
    }
}
