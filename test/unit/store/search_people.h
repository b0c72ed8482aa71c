/* A small hospital that searches are tried on by hand. */
#ifndef TEST_UNIT_SEARCH_PEOPLE_H
#define TEST_UNIT_SEARCH_PEOPLE_H

#include "search_fixture.h"

__attribute__((unused)) static void put_people(void) {
  put("{'resourceType':'Organization','id':'o1','name':'Mercy Hospital'}");
  put("{'resourceType':'Practitioner','id':'d1','name':[{'family':'House','given':['Gregory']}]}");
  put("{'resourceType':'Patient','id':'p1','active':true,'gender':'female',"
      "'identifier':[{'system':'urn:mrn','value':'100','type':{'text':'Medical Record'}}],"
      "'name':[{'family':'M\xC3\xBCller','given':['Anna','Maria']}],'birthDate':'1980-05-17',"
      "'generalPractitioner':[{'reference':'Practitioner/d1'}],"
      "'managingOrganization':{'reference':'Organization/o1'}}");
  put("{'resourceType':'Patient','id':'p2','gender':'male',"
      "'identifier':[{'system':'urn:mrn','value':'200'},{'value':'100'}],"
      "'name':[{'family':'Mulligan','given':['Bob']}],'birthDate':'1980-06',"
      "'link':[{'other':{'reference':'Patient/p1'},'type':'seealso'}]}");
  put("{'resourceType':'Patient','id':'p3','name':[{'text':'van der Berg, Jan'}],"
      "'birthDate':'1999','deceasedDateTime':'2020-01-01T10:00:00Z'}");
}

__attribute__((unused)) static void put_observations(void) {
  put("{'resourceType':'Observation','id':'b1','status':'final','subject':{'reference':'Patient/"
      "p1'},"
      "'code':{'coding':[{'system':'http://loinc.org','code':'8480-6','display':'Systolic "
      "pressure'}],'text':'Blood pressure'},'effectiveDateTime':'2020-03-01T08:00:00Z',"
      "'valueQuantity':{'value':120,'unit':'mmHg','system':'http://unitsofmeasure.org',"
      "'code':'mm[Hg]'}}");
  put("{'resourceType':'Observation','id':'b2','status':'final','subject':{'reference':'Patient/"
      "p1'},"
      "'code':{'coding':[{'system':'http://loinc.org','code':'8480-6'}]},"
      "'effectivePeriod':{'start':'2020-03-01','end':'2020-04-01'},"
      "'valueQuantity':{'value':180.5,'unit':'mmHg','system':'http://unitsofmeasure.org',"
      "'code':'mm[Hg]'}}");
  put("{'resourceType':'Observation','id':'b3','status':'preliminary',"
      "'subject':{'reference':'Patient/p2','identifier':{'system':'urn:mrn','value':'200'}},"
      "'code':{'coding':[{'system':'urn:local','code':'8480-6'}]},"
      "'effectivePeriod':{'start':'2021-01-01'},"
      "'valueQuantity':{'value':5.4,'unit':'mg'}}");
  put("{'resourceType':'Observation','id':'b4','status':'final','subject':{'reference':'Patient/"
      "p3'},"
      "'code':{'coding':[{'code':'panel'}]},"
      "'component':[{'code':{'coding':[{'system':'http://loinc.org','code':'8480-6'}]},"
      "'valueQuantity':{'value':90,'system':'http://unitsofmeasure.org','code':'mm[Hg]'}},"
      "{'code':{'coding':[{'system':'http://loinc.org','code':'8462-4'}]},"
      "'valueQuantity':{'value':200,'system':'http://unitsofmeasure.org','code':'mm[Hg]'}}]}");
}

#endif
