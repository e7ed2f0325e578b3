// Made by 'npm run build' from src/index.js. Hono 4.13.19, MIT License, Copyright (c) 2021-present Yusuke Wada and Hono contributors; text in ../LICENSE-hono.
var HTTPException=class extends Error{res;status;constructor(status=500,options){super(options?.message,
{cause:options?.cause}),this.res=options?.res,this.status=status}getResponse(){return this.res?new Response(
this.res.body,{status:this.status,headers:this.res.headers}):new Response(this.message,{status:this.
status})}};var GET_MATCH_RESULT=Symbol();var bufferToFormData=(arrayBuffer,contentType)=>new Response(arrayBuffer,{headers:{"Content-Type":contentType.
replace(/^[^;]+/,mediaType=>mediaType.toLowerCase())}}).formData();var MAX_NESTED_OBJECTS=1e4,isRawRequest=request=>"headers"in request,parseBody=async(request,options=Object.
create(null))=>{let{all=!1,dot=!1}=options,mediaType=(isRawRequest(request)?request.headers:request.
raw.headers).get("Content-Type")?.split(";")[0].trim().toLowerCase();return mediaType==="multipart/f\
orm-data"||mediaType==="application/x-www-form-urlencoded"?parseFormData(request,{all,dot}):{}};async function parseFormData(request,options){
if(!isRawRequest(request)&&request.bodyCache.formData)return convertFormDataToBodyData(await request.
bodyCache.formData,options);let headers=isRawRequest(request)?request.headers:request.raw.headers,arrayBuffer=await request.
arrayBuffer(),formDataPromise=bufferToFormData(arrayBuffer,headers.get("Content-Type")||"");isRawRequest(
request)||(request.bodyCache.formData=formDataPromise);let formData=await formDataPromise;return formData?
convertFormDataToBodyData(formData,options):{}}function convertFormDataToBodyData(formData,options){
let form=Object.create(null),nestingState={count:0};return formData.forEach((value,key)=>{options.all||
key.endsWith("[]")?handleParsingAllValues(form,key,value):form[key]=value}),options.dot&&Object.entries(
form).forEach(([key,value])=>{key.includes(".")&&(handleParsingNestedValues(form,key,value,nestingState),
delete form[key])}),form}var handleParsingAllValues=(form,key,value)=>{form[key]!==void 0?Array.isArray(
form[key])?form[key].push(value):form[key]=[form[key],value]:key.endsWith("[]")?form[key]=[value]:form[key]=
value},handleParsingNestedValues=(form,key,value,state)=>{if(/(?:^|\.)__proto__\./.test(key))return;
let nestedForm=form,keys=key.split(".",34);keys.length>33&&throwNestingLimitExceeded(),keys.forEach(
(key2,index)=>{index===keys.length-1?nestedForm[key2]=value:((!nestedForm[key2]||typeof nestedForm[key2]!=
"object"||Array.isArray(nestedForm[key2])||nestedForm[key2]instanceof File)&&(state.count++>=MAX_NESTED_OBJECTS&&
throwNestingLimitExceeded(),nestedForm[key2]=Object.create(null)),nestedForm=nestedForm[key2])})},throwNestingLimitExceeded=()=>{
throw new Error("Nesting limit exceeded")};var splitPath=path=>{let paths=path.split("/");return paths[0]===""&&paths.shift(),paths},splitRoutingPath=routePath2=>{
let{groups,path}=extractGroupsFromPath(routePath2),paths=splitPath(path);return replaceGroupMarks(paths,
groups)},extractGroupsFromPath=path=>{let groups=[];return path=path.replace(/\{[^}]+\}/g,(match2,index)=>{
let mark=`@${index}`;return groups.push([mark,match2]),mark}),{groups,path}},replaceGroupMarks=(paths,groups)=>{
for(let i=groups.length-1;i>=0;i--){let[mark]=groups[i];for(let j=paths.length-1;j>=0;j--)if(paths[j].
includes(mark)){paths[j]=paths[j].replace(mark,groups[i][1]);break}}return paths},patternCache={},getPattern=(label,next)=>{
if(label==="*")return"*";let match2=label.match(/^\:([^\{\}]+)(?:\{(.+)\})?$/);if(match2){let cacheKey=`${label}\
#${next}`;return patternCache[cacheKey]||(match2[2]?patternCache[cacheKey]=next&&next[0]!==":"&&next[0]!==
"*"?[cacheKey,match2[1],new RegExp(`^${match2[2]}(?=/${next})`)]:[label,match2[1],new RegExp(`^${match2[2]}\
$`)]:patternCache[cacheKey]=[label,match2[1],!0]),patternCache[cacheKey]}return null},tryDecode=(str,decoder)=>{
try{return decoder(str)}catch{return str.replace(/(?:%[0-9A-Fa-f]{2})+/g,match2=>{try{return decoder(
match2)}catch{return match2}})}};var decodeURIWithPreservedPercent=value=>decodeURI(value.includes("%25")?value.replace(/%25/g,"%2525"):
value),getPath=request=>{let url=request.url,start=url.indexOf("/",url.indexOf(":")+4),i=start;for(;i<
url.length;i++){let charCode=url.charCodeAt(i);if(charCode===37){let queryIndex=url.indexOf("?",i),hashIndex=url.
indexOf("#",i),end=queryIndex===-1?hashIndex===-1?void 0:hashIndex:hashIndex===-1?queryIndex:Math.min(
queryIndex,hashIndex),path=url.slice(start,end),decoded=tryDecode(path,decodeURIWithPreservedPercent);
if(/%(?![0-9A-Fa-f]{2})/.test(path)){let rewritten=new URL("http://localhost");if(rewritten.pathname=
decoded.replace(/[\\\t\n\r]/g,encodeURIComponent),tryDecode(rewritten.pathname,decodeURIWithPreservedPercent)!==
decoded)return tryDecode(path.replace(/%(?![0-9A-Fa-f]{2})/g,"%25"),decodeURIWithPreservedPercent)}return decoded}else if(charCode===
63||charCode===35)break}return url.slice(start,i)};var getPathNoStrict=request=>{let result=getPath(request);return result.length>1&&result.at(-1)==="/"?
result.slice(0,-1):result},mergePath=(base,sub,...rest)=>(rest.length&&(sub=mergePath(sub,...rest)),
`${base?.[0]==="/"?"":"/"}${base}${sub==="/"?"":`${base?.at(-1)==="/"?"":"/"}${sub?.[0]==="/"?sub.slice(
1):sub}`}`),checkOptionalParameter=path=>{if(path.charCodeAt(path.length-1)!==63||!path.includes(":"))
return null;let segments=path.split("/"),results=[],basePath="";return segments.forEach(segment=>{if(segment!==
""&&!/\:/.test(segment))basePath+="/"+segment;else if(/\:/.test(segment))if(segment.charCodeAt(segment.
length-1)===63){results.length===0&&basePath===""?results.push("/"):results.push(basePath);let optionalSegment=segment.
slice(0,-1);basePath+="/"+optionalSegment,results.push(basePath)}else basePath+="/"+segment}),results.
filter((v,i,a)=>a.indexOf(v)===i)},tryDecodeURIComponent=str=>str.indexOf("%")!==-1?tryDecode(str,decodeURIComponent_):
str,_decodeURI=value=>(value.indexOf("+")!==-1&&(value=value.replace(/\+/g," ")),tryDecodeURIComponent(
value)),_getQueryParam=(url,key,multiple)=>{let hashIndex=url.indexOf("#",8);hashIndex!==-1&&(url=url.
slice(0,hashIndex));let encoded;if(!multiple&&key&&!/[%+&=]/.test(key)){let queryIndex=url.indexOf("\
?",8),keyIndex2=queryIndex;if(keyIndex2===-1)return;for(url.startsWith(key,keyIndex2+1)||(keyIndex2=
url.indexOf(`&${key}`,keyIndex2+1));keyIndex2!==-1;){let trailingKeyCode=url.charCodeAt(keyIndex2+key.
length+1);if(trailingKeyCode===61||trailingKeyCode===38||isNaN(trailingKeyCode)){if(keyIndex2>queryIndex&&
/(?:^|&)[^=&]*[%+]/.test(url.slice(queryIndex+1,keyIndex2)))break;if(trailingKeyCode===61){let valueIndex=keyIndex2+
key.length+2,endIndex=url.indexOf("&",valueIndex);return _decodeURI(url.slice(valueIndex,endIndex===
-1?void 0:endIndex))}return""}keyIndex2=url.indexOf(`&${key}`,keyIndex2+1)}if(encoded=/[%+]/.test(url),
!encoded)return}let results=Object.create(null);encoded??=/[%+]/.test(url);let keyIndex=url.indexOf(
"?",8);for(;keyIndex!==-1;){let nextKeyIndex=url.indexOf("&",keyIndex+1),valueIndex=url.indexOf("=",
keyIndex);valueIndex>nextKeyIndex&&nextKeyIndex!==-1&&(valueIndex=-1);let name=url.slice(keyIndex+1,
valueIndex===-1?nextKeyIndex===-1?void 0:nextKeyIndex:valueIndex);if(encoded&&(name=_decodeURI(name)),
keyIndex=nextKeyIndex,name==="")continue;let value;valueIndex===-1?value="":(value=url.slice(valueIndex+
1,nextKeyIndex===-1?void 0:nextKeyIndex),encoded&&(value=_decodeURI(value))),multiple?(results[name]&&
Array.isArray(results[name])||(results[name]=[]),results[name].push(value)):results[name]??=value}return key?
results[key]:results},getQueryParam=_getQueryParam,getQueryParams=(url,key)=>_getQueryParam(url,key,
!0),decodeURIComponent_=decodeURIComponent;var HonoRequest=class{raw;#validatedData;#matchResult;routeIndex=0;path;bodyCache={};constructor(request,path="\
/",matchResult=[[]]){this.raw=request,this.path=path,this.#matchResult=matchResult}param(key){return key?
this.#getDecodedParam(key):this.#getAllDecodedParams()}#getDecodedParam(key){let paramKey=this.#matchResult[0][this.
routeIndex]?.[1][key],param=this.#getParamValue(paramKey);return param&&tryDecodeURIComponent(param)}#getAllDecodedParams(){
let decoded={},keys=Object.keys(this.#matchResult[0][this.routeIndex]?.[1]??{});for(let key of keys){
let value=this.#getParamValue(this.#matchResult[0][this.routeIndex][1][key]);value!==void 0&&(decoded[key]=
tryDecodeURIComponent(value))}return decoded}#getParamValue(paramKey){return this.#matchResult[1]?this.#matchResult[1][paramKey]:
paramKey}query(key){return getQueryParam(this.url,key)}queries(key){return getQueryParams(this.url,key)}header(name){
if(name)return this.raw.headers.get(name)??void 0;let headerData=Object.create(null);return this.raw.
headers.forEach((value,key)=>{headerData[key]=value}),headerData}async parseBody(options){return parseBody(
this,options)}#cachedBody=key=>{let{bodyCache,raw:raw2}=this,cachedBody=bodyCache[key];if(cachedBody)
return cachedBody;for(let anyCachedKey in bodyCache)return bodyCache[anyCachedKey].then(body=>{anyCachedKey===
"json"&&(body=JSON.stringify(body));let contentType=anyCachedKey==="formData"?void 0:raw2.headers.get(
"content-type");return new Response(body,{headers:contentType?{"Content-Type":contentType}:void 0})[key]()});
return bodyCache[key]=raw2[key]()};json(){return this.#cachedBody("text").then(text=>JSON.parse(text))}text(){
return this.#cachedBody("text")}arrayBuffer(){return this.#cachedBody("arrayBuffer")}bytes(){return this.#cachedBody(
"arrayBuffer").then(buffer=>new Uint8Array(buffer))}blob(){return this.#cachedBody("blob")}formData(){
return this.#cachedBody("formData")}addValidatedData(target,data){(this.#validatedData??={})[target]=
data}valid(target){return this.#validatedData?.[target]}get url(){return this.raw.url}get method(){return this.
raw.method}get[GET_MATCH_RESULT](){return this.#matchResult}get matchedRoutes(){return this.#matchResult[0].
map(([[,route]])=>route)}get routePath(){return this.#matchResult[0].map(([[,route]])=>route)[this.routeIndex].
path}};var HtmlEscapedCallbackPhase={Stringify:1,BeforeStream:2,Stream:3},raw=(value,callbacks)=>{let escapedString=new String(
value);return escapedString.isEscaped=!0,escapedString.callbacks=callbacks,escapedString};var resolveCallback=async(str,phase,preserveCallbacks,context,buffer)=>{typeof str=="object"&&!(str instanceof
String)&&(str instanceof Promise||(str=str.toString()),str instanceof Promise&&(str=await str));let callbacks=str.
callbacks;if(!callbacks?.length)return Promise.resolve(str);buffer?buffer[0]+=str:buffer=[str];let resStr=Promise.
all(callbacks.map(c=>c({phase,buffer,context}))).then(res=>Promise.all(res.filter(Boolean).map(str2=>resolveCallback(
str2,phase,!1,context,buffer))).then(()=>buffer[0]));return preserveCallbacks?raw(await resStr,callbacks):
resStr};var TEXT_PLAIN="text/plain; charset=UTF-8",setDefaultContentType=(contentType,headers)=>({"Content-T\
ype":contentType,...headers}),createResponseInstance=(body,init)=>new Response(body,init),Context=class{#rawRequest;#req;env={};#var;finalized=!1;error;#status;#executionCtx;#res;#layout;#renderer;#notFoundHandler;#preparedHeaders;#matchResult;#path;constructor(req,options){
this.#rawRequest=req,options&&(this.#executionCtx=options.executionCtx,this.env=options.env,this.#notFoundHandler=
options.notFoundHandler,this.#path=options.path,this.#matchResult=options.matchResult)}get req(){return this.#req??=
new HonoRequest(this.#rawRequest,this.#path,this.#matchResult),this.#req}get event(){if(this.#executionCtx&&
"respondWith"in this.#executionCtx)return this.#executionCtx;throw Error("This context has no FetchE\
vent")}get executionCtx(){if(this.#executionCtx)return this.#executionCtx;throw Error("This context \
has no ExecutionContext")}get res(){return this.#res||=createResponseInstance(null,{headers:this.#preparedHeaders??=
new Headers})}set res(_res){if(this.#res&&_res){_res=createResponseInstance(_res.body,_res);for(let[
k,v]of this.#res.headers.entries())if(k!=="content-type")if(k==="set-cookie"){let cookies=this.#res.
headers.getSetCookie();_res.headers.delete("set-cookie");for(let cookie of cookies)_res.headers.append(
"set-cookie",cookie)}else _res.headers.set(k,v)}this.#res=_res,this.finalized=!0}render=(...args)=>(this.#renderer??=
content=>this.html(content),this.#renderer(...args));setLayout=layout=>this.#layout=layout;getLayout=()=>this.#layout;setRenderer=renderer=>{
this.#renderer=renderer};header=(name,value,options)=>{this.finalized&&!this.#res.bodyUsed&&(this.#res=
createResponseInstance(this.#res.body,this.#res));let headers=this.#res?this.#res.headers:this.#preparedHeaders??=
new Headers;value===void 0?headers.delete(name):options?.append?headers.append(name,value):headers.set(
name,value)};status=status=>{this.#status=status};set=(key,value)=>{this.#var??=new Map,this.#var.set(
key,value)};get=key=>this.#var?this.#var.get(key):void 0;get var(){return this.#var?Object.fromEntries(
this.#var):{}}#newResponse(data,arg,headers){let responseHeaders=this.#res?new Headers(this.#res.headers):
this.#preparedHeaders;if(typeof arg=="object"&&arg.headers){responseHeaders??=new Headers;for(let[key,
value]of new Headers(arg.headers))key==="set-cookie"?responseHeaders.append(key,value):responseHeaders.
set(key,value)}if(headers){if(!responseHeaders){let count=0;for(let k in headers)if(++count>1||typeof headers[k]!=
"string"){responseHeaders=new Headers;break}}if(responseHeaders)for(let k in headers){let v=headers[k];
if(typeof v=="string")responseHeaders.set(k,v);else{responseHeaders.delete(k);for(let v2 of v)responseHeaders.
append(k,v2)}}}let status=typeof arg=="number"?arg:arg?.status??this.#status;return createResponseInstance(
data,{status,headers:responseHeaders??headers})}newResponse=(...args)=>this.#newResponse(...args);body=(data,arg,headers)=>this.#newResponse(
data,arg,headers);text=(text,arg,headers)=>!this.#preparedHeaders&&!this.#status&&!arg&&!headers&&!this.
finalized?new Response(text):this.#newResponse(text,arg,setDefaultContentType(TEXT_PLAIN,headers));json=(object,arg,headers)=>this.#newResponse(
JSON.stringify(object),arg,setDefaultContentType("application/json",headers));html=(html,arg,headers)=>{
let res=html2=>this.#newResponse(html2,arg,setDefaultContentType("text/html; charset=UTF-8",headers));
return typeof html=="object"?resolveCallback(html,HtmlEscapedCallbackPhase.Stringify,!1,{}).then(res):
res(html)};redirect=(location,status)=>{let locationString=String(location);return this.header("Loca\
tion",/[^\x00-\xFF]/.test(locationString)?encodeURI(locationString):locationString),this.newResponse(
null,status??302)};notFound=()=>(this.#notFoundHandler??=()=>createResponseInstance(),this.#notFoundHandler(
this))};var compose=(middleware,onError,onNotFound)=>(context,next)=>{let index=-1;return dispatch(0);async function dispatch(i){
if(i<=index)throw new Error("next() called multiple times");index=i;let res,isError=!1,handler;if(middleware[i]?
(handler=middleware[i][0][0],context.req.routeIndex=i):handler=i===middleware.length&&next||void 0,handler)
try{res=await handler(context,()=>dispatch(i+1))}catch(err){if(err instanceof Error&&onError)context.
error=err,res=await onError(err,context),isError=!0;else throw err}else context.finalized===!1&&onNotFound&&
(res=await onNotFound(context));return res&&(context.finalized===!1||isError)&&(context.res=res),context}};var matchedRoutes=c=>c.req[GET_MATCH_RESULT][0].map(([[,route]])=>route),routePath=(c,index)=>matchedRoutes(
c).at(index??c.req.routeIndex)?.path??"";var METHODS=["get","post","put","delete","options","patch","query"],MESSAGE_MATCHER_IS_ALREADY_BUILT="\
Can not add a route since the matcher is already built.",UnsupportedPathError=class extends Error{};var COMPOSED_HANDLER="__COMPOSED_HANDLER";var countTrailingSlashes=path=>{let index=path.length;for(;index>0&&path.charCodeAt(index-1)===47;)index--;
return path.length-index},getPathPrefixLength=(c,pathPrefix,routePath2)=>{if(!/[:*]/.test(pathPrefix))
return pathPrefix.length;let path=c.req.path,matchResult=c.req[GET_MATCH_RESULT],paramNames=new Set,
length=0;for(let part of splitRoutingPath(pathPrefix)){if(part[0]===":"&&part.endsWith("}?"))throw new Error(
`mount(): Optional regular expression parameters are not supported in "${routePath2}".`);let pattern=getPattern(
part);if(pattern&&pattern!=="*"){let name=pattern[1];if(paramNames.has(name))throw new Error(`mount(\
): Duplicate path parameter "${name}" in "${routePath2}".`);paramNames.add(name)}if(pattern&&pattern!==
"*"&&pattern[2]!==!0){let value=matchResult.length===2?matchResult[1][matchResult[0][c.req.routeIndex][1][pattern[1]]]:
matchResult[0][c.req.routeIndex][1][pattern[1]];length+=value.length+1}else if(pattern||part.endsWith(
"*")){let end=path.indexOf("/",length+1);length=end===-1?path.length:end}else length+=part.length+1}
return length},createMountedRequest=(c,pathPrefix,routePath2)=>{if(/[^/]\*$/.test(routePath2))throw new Error(
`mount(): Wildcard must follow "/" in "${routePath2}".`);let prefixLength=getPathPrefixLength(c,pathPrefix,
routePath2),path=c.req.path.slice(prefixLength)||"/";if(prefixLength>c.req.path.length||path[0]!=="/"||
/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path))throw new HTTPException(400,{message:"Invalid mounted path"});
let rawUrl=c.req.raw.url;if(/^[^/?#]*\/\/[^/?#\\]*[?#\\]/.test(rawUrl))throw new HTTPException(400,{
message:"Invalid mounted path"});let rawPathEnd=rawUrl.search(/[?#]/),rawTrailingSlashes=countTrailingSlashes(
rawPathEnd===-1?rawUrl:rawUrl.slice(0,rawPathEnd));if(rawTrailingSlashes>1&&countTrailingSlashes(c.req.
path)===rawTrailingSlashes-1)throw new HTTPException(400,{message:"Invalid mounted path"});let url=new URL(
rawUrl);return url.pathname=path.replace(/[\\\t\n\r]/g,encodeURIComponent),path.includes("%"),new Request(
url,c.req.raw)};var notFoundHandler=c=>c.text("404 Not Found",404),errorHandler=(err,c)=>{if("getResponse"in err){let res=err.
getResponse();return c.newResponse(res.body,res)}return console.error(err),c.text("Internal Server E\
rror",500)},Hono=class Hono2{get;post;put;delete;options;patch;query;all;on;use;router;getPath;_basePath="\
/";#path="/";routes=[];constructor(options={}){[...METHODS,"all"].forEach(method=>{this[method]=(args1,...args)=>{
let methodName=method.toUpperCase();return typeof args1=="string"?this.#path=args1:this.#addRoute(methodName,
this.#path,args1),args.forEach(handler=>{this.#addRoute(methodName,this.#path,handler)}),this}}),this.
on=(method,path,...handlers)=>{for(let p of[path].flat()){this.#path=p;for(let m of[method].flat()){
let methodName=m.toUpperCase();for(let handler of handlers)this.#addRoute(methodName,this.#path,handler)}}
return this},this.use=(arg1,...handlers)=>(typeof arg1=="string"?this.#path=arg1:(this.#path="*",handlers.
unshift(arg1)),handlers.forEach(handler=>{this.#addRoute("ALL",this.#path,handler)}),this);let{strict,
...optionsWithoutStrict}=options;Object.assign(this,optionsWithoutStrict),this.getPath=strict??!0?options.
getPath??getPath:getPathNoStrict}#clone(){let clone=new Hono2({router:this.router,getPath:this.getPath});
return clone.errorHandler=this.errorHandler,clone.#notFoundHandler=this.#notFoundHandler,clone.routes=
this.routes,clone}#notFoundHandler=notFoundHandler;errorHandler=errorHandler;route(path,app2){let subApp=this.
basePath(path);return app2.routes.map(r=>{let handler;app2.errorHandler===errorHandler?handler=r.handler:
(handler=async(c,next)=>(await compose([],app2.errorHandler)(c,()=>r.handler(c,next))).res,handler[COMPOSED_HANDLER]=
r.handler),subApp.#addRoute(r.method,r.path,handler,r.basePath)}),this}basePath(path){let subApp=this.#clone();
return subApp._basePath=mergePath(this._basePath,path),subApp}onError=handler=>(this.errorHandler=handler,
this);notFound=handler=>(this.#notFoundHandler=handler,this);mount(path,applicationHandler,options){
let replaceRequest,optionHandler;options&&(typeof options=="function"?optionHandler=options:(optionHandler=
options.optionHandler,options.replaceRequest===!1?replaceRequest=request=>request:replaceRequest=options.
replaceRequest));let getOptions=optionHandler?c=>{let options2=optionHandler(c);return Array.isArray(
options2)?options2:[options2]}:c=>{let executionContext;try{executionContext=c.executionCtx}catch{}return[
c.env,executionContext]},defaultReplaceRequest=c=>{let mountedRoutePath=routePath(c);return createMountedRequest(
c,mountedRoutePath.replace(/\/?\*$/,""),mountedRoutePath)},handler=async(c,next)=>{let res=await applicationHandler(
replaceRequest?replaceRequest(c.req.raw):defaultReplaceRequest(c),...getOptions(c));if(res)return res;
await next()};return this.#addRoute("ALL",mergePath(path,"*"),handler),this}#addRoute(method,path,handler,baseRoutePath){
path=mergePath(this._basePath,path);let r={basePath:baseRoutePath!==void 0?mergePath(this._basePath,
baseRoutePath):this._basePath,path,method,handler};this.router.add(method,path,[handler,r]),this.routes.
push(r)}#handleError(err,c){if(err instanceof Error)return this.errorHandler(err,c);throw err}#dispatch(request,executionCtx,env,method){
if(method==="HEAD")return(async()=>new Response(null,await this.#dispatch(request,executionCtx,env,"\
GET")))();let path=this.getPath(request,{env}),matchResult=this.router.match(method,path),c=new Context(
request,{path,matchResult,env,executionCtx,notFoundHandler:this.#notFoundHandler});if(matchResult[0].
length===1){let res;try{res=matchResult[0][0][0][0](c,async()=>{c.res=await this.#notFoundHandler(c)})}catch(err){
return this.#handleError(err,c)}return res instanceof Promise?res.then(resolved=>resolved||(c.finalized?
c.res:this.#notFoundHandler(c))).catch(err=>this.#handleError(err,c)):res??this.#notFoundHandler(c)}
let composed=compose(matchResult[0],this.errorHandler,this.#notFoundHandler);return(async()=>{try{let context=await composed(
c);if(!context.finalized)throw new Error("Context is not finalized. Did you forget to return a Respo\
nse object or `await next()`?");return context.res}catch(err){return this.#handleError(err,c)}})()}fetch=(request,...rest)=>this.#dispatch(
request,rest[1],rest[0],request.method);request=(input,requestInit,Env,executionCtx)=>input instanceof
Request?this.fetch(requestInit?new Request(input,requestInit):input,Env,executionCtx):(input=input.toString(),
this.fetch(new Request(/^https?:\/\//.test(input)?input:`http://localhost${mergePath("/",input)}`,requestInit),
Env,executionCtx));fire=()=>{addEventListener("fetch",event=>{event.respondWith(this.#dispatch(event.
request,event,void 0,event.request.method))})}};var createNullObject=()=>Object.create(null);var emptyParam=[];function match(method,path){let matchers=this.buildAllMatchers(),match2=((method2,path2)=>{
let matcher=matchers[method2]||matchers.ALL,staticMatch=matcher[2][path2];if(staticMatch)return staticMatch;
let match3=path2.match(matcher[0]);if(!match3)return[[],emptyParam];let index=match3.indexOf("",1);return[
matcher[1][index],match3]});return this.match=match2,match2(method,path)}var LABEL_REG_EXP_STR="[^/]+",ONLY_WILDCARD_REG_EXP_STR="[^]*",TAIL_WILDCARD_REG_EXP_STR="(?:|/[^]*)",
PATH_ERROR=Symbol(),regExpMetaChars=new Set(".\\+*[^]$()");function compareKey(a,b){return a.length===
1?b.length===1?a<b?-1:1:-1:b.length===1?1:a==="[^]*"||a==="(?:|/[^]*)"?b==="[^]*"?-1:1:b==="[^]*"||b===
"(?:|/[^]*)"?-1:a==="[^/]+"?1:b==="[^/]+"?-1:a.length===b.length?a<b?-1:1:b.length-a.length}var Node=class Node2{#index;#varIndex;#children=createNullObject();insert(tokens,index,paramMap,context,keys){
let node=this;for(let i=0,len=tokens.length;i<len;i++){let token=tokens[i],pattern=token.length===1?
token==="*"?i===len-1?["","",ONLY_WILDCARD_REG_EXP_STR]:["","",LABEL_REG_EXP_STR]:null:token==="/*"?
["","",TAIL_WILDCARD_REG_EXP_STR]:token.match(/^\:([^\{\}]+)(?:\{(.+)\})?$/),nextNode;if(pattern){let name=pattern[1],
regexpStr=pattern[2]||"[^/]+";if(name&&pattern[2]&&(new RegExp(regexpStr).test("")||(regexpStr=regexpStr.
replace(/^\((?!\?:)(?=[^)]+\)$)/,"(?:"),/\((?!\?:)/.test(regexpStr))||regexpStr.length===1&&regExpMetaChars.
has(regexpStr)))throw PATH_ERROR;if(keys.push(regexpStr),nextNode=node.#children[regexpStr],!nextNode){
if(regexpStr!=="[^]*"&&regexpStr!=="(?:|/[^]*)"){for(let k in node.#children)if((regexpStr.length>1||
k.length>1)&&k!=="[^]*"&&k!=="(?:|/[^]*)")throw PATH_ERROR}nextNode=node.#children[regexpStr]=new Node2}
name!==""&&(nextNode.#varIndex??=context.varIndex++,paramMap.push([name,nextNode.#varIndex]))}else if(keys.
push(token),nextNode=node.#children[token],!nextNode){for(let k in node.#children)if(k.length>1&&k!==
"[^]*"&&k!=="(?:|/[^]*)")throw PATH_ERROR;nextNode=node.#children[token]=new Node2}node=nextNode}if(node.#index!==
void 0)throw PATH_ERROR;node.#index=index}buildRegExpStr(){let strList=Object.keys(this.#children).sort(
compareKey).map(k=>{let c=this.#children[k],childStr=c.buildRegExpStr();return childStr===""?"":(typeof c.#varIndex==
"number"?`(${k})@${c.#varIndex}`:regExpMetaChars.has(k)?`\\${k}`:k)+childStr}).filter(Boolean);return typeof this.#index==
"number"&&this.#index!==-1&&strList.unshift(`#${this.#index}`),strList.length===0?"":strList.length===
1?strList[0]:"(?:"+strList.join("|")+")"}};var Trie=class{#context={varIndex:0};#root=new Node;#index=0;paths=createNullObject();insert(path,isStatic){
let keys=[];if(isStatic){this.#root.insert(path.split(""),-1,[],this.#context,keys),this.paths[path]=
[-1,[],keys];return}let paramAssoc=[],groups=[],markedPath=path;for(let i=0;;){let replaced=!1;if(markedPath=
markedPath.replace(/\{(?:\{[\d,]+\}|[^}])+\}/g,m=>{let mark=`@\\${i}`;return groups[i]=[mark,m],i++,
replaced=!0,mark}),!replaced)break}let tokens=markedPath.match(/(?::[^\/]+)|(?:\/\*$)|./gs)||[];for(let i=groups.
length-1;i>=0;i--){let[mark]=groups[i];for(let j=tokens.length-1;j>=0;j--)if(tokens[j].indexOf(mark)!==
-1){tokens[j]=tokens[j].replace(mark,groups[i][1]);break}}this.#root.insert(tokens,this.#index,paramAssoc,
this.#context,keys),this.paths[path]=[this.#index++,paramAssoc,keys]}buildRegExp(){let regexp=this.#root.
buildRegExpStr();if(regexp==="")return[/^$/,[],[]];let captureIndex=0,indexReplacementMap=[],paramReplacementMap=[];
return regexp=regexp.replace(/#(\d+)|@(\d+)|\.\*\$/g,(_,handlerIndex,paramIndex)=>handlerIndex!==void 0?
(indexReplacementMap[++captureIndex]=Number(handlerIndex),"$()"):(paramIndex!==void 0&&(paramReplacementMap[Number(
paramIndex)]=++captureIndex),"")),[new RegExp(`^${regexp}`),indexReplacementMap,paramReplacementMap]}};function endsWithWildcard(keys){let tail=keys[keys.length-1];return tail==="[^]*"||tail==="(?:|/[^]*\
)"}function covers(wildcard,target){let last=wildcard.length-1;for(let i=0;i<last;i++)if(wildcard[i]!==
target[i])return!1;return wildcard[last]==="[^]*"||target.length===last||target[last]==="/"}var RegExpRouter=class{name="\
RegExpRouter";#handlers;#tries;constructor(){this.#handlers={ALL:[]},this.#tries={ALL:new Trie}}#insertPath(method,path){
try{this.#tries[method].insert(path,!/\*|\/:/.test(path))}catch(e){throw e===PATH_ERROR?new UnsupportedPathError(
path):e}}add(method,path,handler){let handlers=this.#handlers;if(!handlers)throw new Error(MESSAGE_MATCHER_IS_ALREADY_BUILT);
let tries=this.#tries;if(!handlers[method]){tries[method]=new Trie,handlers[method]=[...handlers.ALL];
for(let p in tries.ALL.paths)this.#insertPath(method,p)}path==="/*"&&(path="*");let methods=method===
"ALL"?Object.keys(handlers):[method],paths=checkOptionalParameter(path)||[path];for(let path2 of paths)
for(let m of methods)tries[m].paths[path2]||this.#insertPath(m,path2),handlers[m].push([handler,path2])}match=match;buildAllMatchers(){
let matchers=createNullObject();for(let method of Object.keys(this.#handlers))matchers[method]=this.#buildMatcher(
method);return this.#handlers=this.#tries=void 0,matchers}#buildMatcher(method){let handlers=this.#handlers[method],
trie=this.#tries[method],staticMap=createNullObject(),handlerData=[],[regexp,indexReplacementMap,paramReplacementMap]=trie.
buildRegExp(),own=createNullObject(),entries=handlers.map(([h,p],i)=>((own[p]??=[]).push(i),[h,trie.
paths[p][1].reduceRight((map,[key,varIndex])=>(map[key]=paramReplacementMap[varIndex],map),createNullObject())])),
wildcards=Object.keys(own).filter(p=>endsWithWildcard(trie.paths[p][2]));for(let path in trie.paths){
let[index,,keys]=trie.paths[path],indexes=[...own[path]];for(let p of wildcards)p!==path&&covers(trie.
paths[p][2],keys)&&indexes.push(...own[p]);let data=indexes.sort((a,b)=>a-b).map(i=>entries[i]);if(index===
-1){let last=Math.max(-1,...data.flatMap(([,map])=>Object.values(map)));staticMap[path]=[data,last===
-1?emptyParam:path.match(regexp).slice(0,last+1)]}else handlerData[index]=data}return[regexp,indexReplacementMap.
map(i=>handlerData[i]),staticMap]}};var SmartRouter=class{name="SmartRouter";#routers=[];#routes=[];constructor(init){this.#routers=init.
routers}add(method,path,handler){if(!this.#routes)throw new Error(MESSAGE_MATCHER_IS_ALREADY_BUILT);
this.#routes.push([method,path,handler])}match(method,path){if(!this.#routes)throw new Error("Fatal \
error");let routers=this.#routers,routes=this.#routes,len=routers.length,i=0,res;for(;i<len;i++){let router=routers[i];
try{for(let i2=0,len2=routes.length;i2<len2;i2++)router.add(...routes[i2]);res=router.match(method,path)}catch(e){
if(e instanceof UnsupportedPathError)continue;throw e}this.match=router.match.bind(router),this.#routers=
[router],this.#routes=void 0;break}if(i===len)throw new Error("Fatal error");return this.name=`Smart\
Router + ${this.activeRouter.name}`,res}get activeRouter(){if(this.#routes||this.#routers.length!==1)
throw new Error("No active router has been determined yet.");return this.#routers[0]}};var emptyParams=createNullObject(),order=0,Node3=class Node4{#methods=[];#children=createNullObject();#patterns=[];#pattern;#params=emptyParams;insert(method,path,handler){
let curNode=this,parts=splitRoutingPath(path),possibleKeys=new Set,i=0;for(let p of parts){let nextP=parts[++i],
pattern=getPattern(p,nextP)||(nextP===void 0&&p&&p.indexOf("*")===p.length-1?p:null),isParam=Array.isArray(
pattern),key=isParam?pattern[0]:pattern||p,child=curNode.#children[key]||=new Node4;pattern&&!child.#pattern&&
(child.#pattern=pattern,curNode.#patterns.push(child)),curNode=child,isParam&&possibleKeys.add(pattern[1])}
curNode.#methods.push({[method]:{handler,possibleKeys:[...possibleKeys],score:++order}})}#pushHandlerSets(handlerSets,node,method,nodeParams,params){
for(let i=0,len=node.#methods.length;i<len;i++){let m=node.#methods[i],handlerSet=m[method]||m.ALL;if(handlerSet){
handlerSet.params=createNullObject(),handlerSets.push(handlerSet);for(let i2=0,len2=handlerSet.possibleKeys.
length;i2<len2;i2++){let key=handlerSet.possibleKeys[i2];handlerSet.params[key]=params?.[key]&&!i2?params[key]:
nodeParams[key]??params?.[key]}}}}search(method,path){let handlerSets=[];this.#params=emptyParams;let curNodes=[
this],parts=splitPath(path),curNodesQueue=[],len=parts.length,partOffsets=null;for(let i=0;i<len;i++){
let part=parts[i],isLast=i===len-1,tempNodes=[];for(let j=0,len2=curNodes.length;j<len2;j++){let node=curNodes[j],
nextNode=node.#children[part];nextNode&&(nextNode.#params=node.#params,isLast?(nextNode.#children["*"]&&
this.#pushHandlerSets(handlerSets,nextNode.#children["*"],method,node.#params),this.#pushHandlerSets(
handlerSets,nextNode,method,node.#params)):tempNodes.push(nextNode));for(let child of node.#patterns){
let pattern=child.#pattern,params=node.#params===emptyParams?{}:{...node.#params};if(typeof pattern==
"string"){(pattern==="*"||part.startsWith(pattern.slice(0,-1)))&&(this.#pushHandlerSets(handlerSets,
child,method,node.#params),pattern==="*"&&(child.#params=params,tempNodes.push(child)));continue}let[
,name,matcher]=pattern;if(!(!part&&matcher===!0)){if(matcher!==!0){if(!partOffsets){partOffsets=[];let offset=path[0]===
"/"?1:0;for(let p=0;p<len;p++)partOffsets[p]=offset,offset+=parts[p].length+1}let restPathString=path.
slice(partOffsets[i]),m=matcher.exec(restPathString);if(m){Object.hasOwn(params,name)||(params[name]=
m[0]),this.#pushHandlerSets(handlerSets,child,method,node.#params,params),m[0].length===restPathString.
length&&child.#children["*"]&&this.#pushHandlerSets(handlerSets,child.#children["*"],method,node.#params,
params);for(let _ in child.#children){child.#params=params;let componentCount=m[0].match(/\//g)?.length??
0;(curNodesQueue[componentCount]||=[]).push(child);break}continue}}(matcher===!0||matcher.test(part))&&
(Object.hasOwn(params,name)||(params[name]=part),isLast?(this.#pushHandlerSets(handlerSets,child,method,
params,node.#params),child.#children["*"]&&this.#pushHandlerSets(handlerSets,child.#children["*"],method,
params,node.#params)):(child.#params=params,tempNodes.push(child)))}}}let shifted=curNodesQueue.shift();
curNodes=shifted?tempNodes.concat(shifted):tempNodes}return handlerSets[1]&&handlerSets.sort((a,b)=>a.
score-b.score),[handlerSets.map(({handler,params})=>[handler,params])]}};var TrieRouter=class{name="TrieRouter";#node=new Node3;add(method,path,handler){for(let result of checkOptionalParameter(
path)||[path])this.#node.insert(method,result,handler)}match(method,path){return this.#node.search(method,
path)}};var Hono3=class extends Hono{constructor(options={}){super(options),this.router=options.router??new SmartRouter(
{routers:[new RegExpRouter,new TrieRouter]})}};var books=new Map([["1",{id:"1",title:"The Art of Bookbinding"}],["2",{id:"2",title:"Sewing on Cords"}]]),
shelf=new Hono3;shelf.get("/",c=>c.json([...books.values()]));shelf.get("/:id{[0-9]+}",c=>{let book=books.
get(c.req.param("id"));return book?c.json(book):c.json({error:"no such book"},404)});shelf.post("/",
async c=>{let{title}=await c.req.json();return typeof title=="string"?c.json({id:String(books.size+1),
title},201):c.json({error:"title must be a string"},400)});var app=new Hono3;app.use(async(c,next)=>{
await next(),c.header("x-router","hono")});app.get("/",c=>c.text(`GET /hello/:name, GET /books, GET \
/books/:id, POST /books
`));app.get("/hello/:name",c=>c.text(`${c.env.GREETING}, ${c.req.param("name")}!
`));app.route("/books",shelf);app.notFound(c=>c.json({error:"not found"},404));app.onError((error,c)=>c.
json({error:error.message},error instanceof SyntaxError?400:500));var index_default=app;export{index_default as default};
