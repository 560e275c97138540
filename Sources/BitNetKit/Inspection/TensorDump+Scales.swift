// What stands beside a tensor in its file.

extension Checkpoint {
    /// What the scales of a ternary tensor are multiplied by, and what there is to say of it.
    func factors(
        of tensor: CheckpointTensor
    ) throws(BitNetError) -> (factors: [Float]?, note: String?) {
        let module = tensor.name.hasSuffix(".weight") ? tensor.name.dropLast(7) : tensor.name[...]
        let names = ["\(module).weight_scale", "\(module).scale", "\(tensor.name)_scale"]
        guard let scale = names.compactMap({ self.tensor(named: $0) }).first,
            scale.type.isFloatLike
        else {
            guard tensor.type == .packedTernary else { return ([], nil) }
            return (nil, "There is no tensor with its scale: values are not known.")
        }
        let stored = try scale.floats()
        let rows = tensor.meantShape.first ?? 1
        guard stored.count == 1 || stored.count == rows else {
            return (nil, "'\(scale.name)' has \(stored.count) scales, which fit no row.")
        }
        guard tensor.type == .packedTernary else {
            return (stored, "'\(scale.name)' multiplies it.")
        }
        guard let direction = try? ModelConfiguration(self).scaleDirection else {
            return (nil, "Nothing says whether '\(scale.name)' multiplies or divides.")
        }
        return direction == .divide
            ? (stored.map { 1 / $0 }, "'\(scale.name)', \(stored[0].short), divides.")
            : (stored, "'\(scale.name)' multiplies.")
    }

    /// Names that have most in common with a name that is not there.
    func suggestion(for name: String) -> String {
        let words = name.split(separator: ".")
        let common = tensorNames.map { candidate in
            (candidate, Set(candidate.split(separator: ".")).intersection(words).count)
        }
        let most = common.map(\.1).max() ?? 0
        let best = common.filter { $0.1 == most }.prefix(3).map { "'\($0.0)'" }
        return best.isEmpty
            ? ""
            : "; it has \(best.joined(separator: ", "))"
                + (tensors.count > best.count ? " and \(tensors.count - best.count) more" : "")
    }
}

extension CheckpointTensor {
    /// The shape of what is meant: four rows of a packed matrix are one row of bytes.
    var meantShape: [Int] {
        guard type == .packedTernary, let first = shape.first, shape.count == 2 else {
            return shape
        }
        return [first * 4] + shape.dropFirst()
    }
}
