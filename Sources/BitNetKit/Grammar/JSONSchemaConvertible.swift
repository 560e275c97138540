/// A type with a JSON schema of its own: bounds and descriptions added to what the type says itself,
/// or another schema altogether.
///
/// ```swift
/// struct Pet: JSONSchemaConvertible {
///     let name: String
///     let age: Int
///
///     static var jsonSchema: JSONSchema {
///         get throws(BitNetError) {
///             var schema = try JSONSchema(derivedFrom: Pet.self)
///             schema["age"].minimum = 0
///             schema["age"].maximum = 30
///             return schema
///         }
///     }
/// }
/// ```
///
/// A type that has others of this kind as its properties takes their schemas over. Whatever a schema
/// allows, the type must decode.
public protocol JSONSchemaConvertible: Decodable {
    /// The schema of the JSON that the type decodes.
    static var jsonSchema: JSONSchema { get throws(BitNetError) }
}
