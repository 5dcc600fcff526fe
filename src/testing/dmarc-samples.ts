// Owns DMARC aggregate reports in the shapes in which large receivers send them, with names that are nobody's.

/** The shape of RFC 9990 appendix B. */
export const rfc9990 = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"
    xmlns:ext="URI for an extension-supplied name space">
  <version>1.0</version>
  <report_metadata>
    <org_name>Sample Reporter</org_name>
    <email>report_sender@reporter.example</email>
    <extra_contact_info>...</extra_contact_info>
    <report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
    <date_range><begin>302832000</begin><end>302918399</end></date_range>
    <generator>Example DMARC Aggregate Reporter v1.2</generator>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain>
    <p>quarantine</p><sp>none</sp><np>none</np>
    <testing>n</testing>
    <discovery_method>treewalk</discovery_method>
  </policy_published>
  <extension><ext:arc-override>never</ext:arc-override></extension>
  <record>
    <row>
      <source_ip>192.0.2.123</source_ip>
      <count>123</count>
      <policy_evaluated>
        <disposition>pass</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_from>owner.example</envelope_from>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>owner.example</domain><result>pass</result><selector>abc123</selector></dkim>
      <spf><domain>owner.example</domain><result>fail</result></spf>
    </auth_results>
    <ext:arc-results><ext:row>pass</ext:row></ext:arc-results>
  </record>
</feedback>
`

/** The shape of RFC 7489 appendix C, as the largest receiver sends it. */
export const google = `<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata>
    <org_name>big.example</org_name>
    <email>noreply-dmarc-support@big.example</email>
    <extra_contact_info>https://support.big.example/a/answer/2466580</extra_contact_info>
    <report_id>7584729384723847238</report_id>
    <date_range>
      <begin>1762905600</begin>
      <end>1762991999</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>reject</p>
    <sp>reject</sp>
    <pct>100</pct>
    <np>reject</np>
  </policy_published>
  <record>
    <row>
      <source_ip>2001:DB8:0:0::1</source_ip>
      <count>7</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
        <reason>
          <type>local_policy</type>
          <comment>arc=pass</comment>
        </reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>list.example</domain>
        <result>pass</result>
        <selector>20230601</selector>
      </dkim>
      <dkim>
        <domain>owner.example</domain>
        <result>fail</result>
        <selector>s1</selector>
      </dkim>
      <spf>
        <domain>list.example</domain>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>
</feedback>`

/** Namespaces of schema instance, envelope_to, empty pct: an office suite's cloud. */
export const office = `﻿<?xml version="1.0"?>
<feedback xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <version>1.0</version>
  <report_metadata>
    <org_name>Enterprise Mail</org_name>
    <email>dmarcreport@office.example</email>
    <report_id>09a24a9b21654f42b83b1b5d1d9d1b7f</report_id>
    <date_range><begin>1762905600</begin><end>1762992000</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo>
  </policy_published>
  <record>
    <row>
      <source_ip>198.51.100.7</source_ip><count>1</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated>
    </row>
    <identifiers>
      <envelope_to>tenant.example</envelope_to>
      <envelope_from>bounce.owner.example</envelope_from>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>owner.example</domain><selector>selector1</selector><result>pass</result></dkim>
      <spf><domain>bounce.owner.example</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>`

/** Order of elements, no version, a null reverse-path as an empty element: a portal. */
export const portal = `<?xml version="1.0"?>
<feedback>
<report_metadata>
<org_name>Portal</org_name>
<email>postmaster@portal.example</email>
<report_id>1763012345.123456</report_id>
<date_range>
<begin>1762905600</begin>
<end>1762991999 </end>
</date_range>
</report_metadata>
<policy_published>
<domain>owner.example</domain>
<p>quarantine</p>
<sp/>
<pct></pct>
</policy_published>
<record>
<row>
<source_ip>203.0.113.9</source_ip>
<count>2</count>
<policy_evaluated>
<disposition>quarantine</disposition>
<dkim>fail</dkim>
<spf>fail</spf>
</policy_evaluated>
</row>
<identifiers>
<header_from>owner.example</header_from>
<envelope_from></envelope_from>
</identifiers>
<auth_results>
<dkim/>
<spf>
<domain>mail.spam.example</domain>
<scope>helo</scope>
<result>none</result>
</spf>
</auth_results>
</record>
</feedback>`
