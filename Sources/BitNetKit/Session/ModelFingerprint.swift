extension BitNetModel {
    /// A number that tells this model's keys and values from any other model's: of the
    /// configuration, the tokenizer's size, and a sample of the weights. The same for every kernel
    /// set, layout and file name. Cheap: it reads two rows of each matrix.
    var fingerprint: UInt64 {
        var checksum = Checksum()
        for field in Mirror(reflecting: configuration).children where field.label != "name" {
            checksum.update("\(field.label ?? "") = \(field.value)")
        }
        checksum.update(UInt64(tokenizer.vocabularySize))
        for (index, layer) in transformer.blocks.flatMap(\.linearLayers).enumerated() {
            let weight = layer.weight
            checksum.update(weight.scale.values)
            for row in [index * 7919 % weight.rows, weight.rows - 1] {
                checksum.update(weight.trits(ofRow: row).map { UInt8(bitPattern: $0) })
            }
        }
        for matrix in [transformer.embedding, transformer.head] {
            for step in 0..<8 { checksum.update(matrix.row((matrix.rows - 1) * step / 7)) }
        }
        return checksum.value
    }
}
