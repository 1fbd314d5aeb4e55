import { type FieldReaders, flagField, objectField, objectsField, textField } from "../entity-fields.ts";

const text = textField("");

/** A value of a SCIM attribute that may have several (RFC 7643 section 2.4). */
const values = objectsField({ value: text, type: text, primary: flagField });

/** What a SCIM connection says of a member. Clients in typed languages require every field once there are any. */
export const SCIM_ATTRIBUTES: FieldReaders = {
  user_name: text,
  id: text,
  external_id: text,
  active: flagField,
  groups: objectsField({ value: text, display: text }),
  display_name: text,
  nick_name: text,
  profile_url: text,
  user_type: text,
  title: text,
  preferred_language: text,
  locale: text,
  timezone: text,
  emails: values,
  phone_numbers: values,
  addresses: objectsField({
    formatted: text,
    street_address: text,
    locality: text,
    region: text,
    postal_code: text,
    country: text,
    type: text,
    primary: flagField,
  }),
  ims: values,
  photos: values,
  entitlements: values,
  roles: values,
  x509certificates: values,
  name: objectField(null, {
    formatted: text,
    family_name: text,
    given_name: text,
    middle_name: text,
    honorific_prefix: text,
    honorific_suffix: text,
  }),
  enterprise_extension: objectField(null, {
    employee_number: text,
    cost_center: text,
    division: text,
    department: text,
    organization: text,
    manager: objectField(null, { value: text, ref: text, display_name: text }),
  }),
};
