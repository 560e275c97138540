extension ConfigReader {
    /// Reads `quantization_config`. Without one, BitNet models hold master weights
    /// and the others must hold weights that are ternary already.
    func quantization() throws(BitNetError) -> Quantization {
        var result = Quantization()
        guard let settings = try config.object("quantization_config", in: path) else {
            result.quantizesMasters = architecture != .llama
            result.hasLinearNorms = architecture == .qwen3 || architecture == .gemma3
            return result
        }
        let method = try settings.string("quant_method", in: path)
        guard method == "bitnet" else {
            throw unsupported(
                "quantization_config.quant_method", settings["quant_method"] ?? .null)
        }
        let skipped = try settings.array("modules_to_not_convert", in: path).map { Array($0) } ?? []
        if let other = skipped.first(where: { $0 != .string("lm_head") }) {
            throw unsupported("quantization_config.modules_to_not_convert", other)
        }
        let linearClass = try settings.string("linear_class", in: path) ?? "bitlinear"
        switch linearClass {
        case "autobitlinear":
            let mode = try settings.string("quantization_mode", in: path) ?? "offline"
            guard mode == "online" || mode == "offline" else {
                throw unsupported("quantization_config.quantization_mode", .string(mode))
            }
            result.quantizesMasters = mode == "online"
        case "bitlinear":
            result.direction = .divide
        default:
            throw unsupported("quantization_config.linear_class", .string(linearClass))
        }
        result.hasLinearNorms = try settings.bool("use_rms_norm", in: path) ?? false
        if architecture == .bitnet && result.hasLinearNorms {
            // No such model is known: it would have two norms in a row.
            throw .unsupportedFeature(
                path: path, feature: "quantization_config.use_rms_norm", value: "true")
        }
        result.normEpsilon = try settings.double("rms_norm_eps", in: path).map { Float($0) } ?? 1e-6
        return result
    }
}
