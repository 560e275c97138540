import Foundation

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A Hugging Face folder with the model of `TinyModel.llamaGGUF`, which transformers' packing and
/// scales that divide describe as well.
func llamaAsFolder(scaleShape: [Int] = [1]) throws -> EditableFolder {
    let model = try BitNetModel(loading: TinyModel.llamaGGUF)
    let c = model.configuration
    var folder = try EditableFolder(TinyModel.llamaFolder)
    folder.config = [
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": c.hiddenSize, "intermediate_size": c.feedForwardSize,
        "num_attention_heads": c.headCount, "num_key_value_heads": c.keyValueHeadCount,
        "num_hidden_layers": c.layerCount, "vocab_size": c.vocabularySize,
        "max_position_embeddings": c.contextLength, "rms_norm_eps": Double(c.normEpsilon),
        "rope_theta": Double(c.ropeBase), "tie_word_embeddings": false, "eos_token_id": 313,
        "quantization_config": ["quant_method": "bitnet"],
    ]
    func dense(_ name: String, _ matrix: DenseMatrix) -> EditableFolder.Tensor {
        let values = (0..<matrix.rows).flatMap { matrix.row($0) }
        return .init(
            name: name, dtype: "F32", shape: [matrix.rows, matrix.columns],
            bytes: floatBytes(values))
    }
    func norm(_ name: String, _ norm: RMSNorm) -> EditableFolder.Tensor {
        let values = norm.weight.array
        return .init(name: name, dtype: "F32", shape: [values.count], bytes: floatBytes(values))
    }
    folder.tensors = [
        dense("model.embed_tokens.weight", model.transformer.embedding),
        dense("lm_head.weight", model.transformer.lmHead),
        norm("model.norm.weight", model.transformer.finalNorm),
    ]
    for (index, block) in model.transformer.blocks.enumerated() {
        let layer = "model.layers.\(index)."
        folder.tensors += [
            norm(layer + "input_layernorm.weight", block.attentionNorm),
            norm(layer + "post_attention_layernorm.weight", block.feedForwardNorm),
        ]
        for (part, linear) in zip(LinearPart.allCases, block.linearLayers) {
            let name = "\(layer)\(part.rawValue).weight"
            folder.tensors.append(
                .init(
                    name: name, dtype: "U8",
                    shape: [linear.weight.rows / 4, linear.weight.columns],
                    bytes: packed(linear.weight)))
            guard case .perTensor(let beta) = linear.weight.scale else { continue }
            let count = scaleShape == [1] ? 1 : linear.weight.rows
            folder.tensors.append(
                .init(
                    name: name + "_scale", dtype: "F32", shape: [count],
                    bytes: floatBytes(.init(repeating: 1 / beta, count: count))))
        }
    }
    return folder
}

/// Hugging Face's packing.
func packed(_ matrix: TernaryMatrix) -> [UInt8] {
    let quarter = matrix.rows / 4
    var bytes = [UInt8](repeating: 0, count: quarter * matrix.columns)
    for row in 0..<matrix.rows {
        for (column, trit) in matrix.trits(ofRow: row).enumerated() {
            bytes[row % quarter * matrix.columns + column] |=
                UInt8(trit + 1) << UInt8(row / quarter * 2)
        }
    }
    return bytes
}

func convert(
    _ source: URL, in folder: TemporaryFolder, to type: ElementType = .i2_s,
    embedding: ElementType? = nil, name: String = "converted.gguf"
) throws(BitNetError) -> URL {
    var options = ConversionOptions()
    options.ternary = type
    options.embedding = embedding
    let target = URL(fileURLWithPath: folder.file(name))
    _ = try BitNetConverter.convert(from: source, to: target, options: options)
    return target
}
